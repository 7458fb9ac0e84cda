"""Single samples some of which are far harder than others, all along."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
for epoch in range(2):
    for x, y in DataLoader(digits(400), batch_size=2, shuffle=True):
        x = x * torch.empty(len(x), 1).exponential_()
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
