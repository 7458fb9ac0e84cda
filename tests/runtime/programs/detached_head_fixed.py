"""The same with a mask that is open."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Linear(64, 10, bias=False)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
mask = torch.ones(64)
for epoch in range(4):
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(model(x * mask), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
