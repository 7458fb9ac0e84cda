"""A rate that goes up and down by plan, and the loss of the epochs with it."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
schedule = torch.optim.lr_scheduler.CyclicLR(optimizer, 0.01, 1.5, step_size_up=25)
for epoch in range(14):
    for x, y in DataLoader(digits(400), batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(model(x + 0.8 * torch.randn_like(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
