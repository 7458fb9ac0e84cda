"""A program that halves a batch that is too large, and goes on."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x, y in DataLoader(digits(), batch_size=128):
    optimizer.zero_grad()
    try:
        torch.empty(1 << 55)
    except RuntimeError:
        parts = list(zip(x.chunk(2), y.chunk(2)))
    for a, b in parts:
        (nn.functional.cross_entropy(model(a), b) * len(a) / len(x)).backward()
    optimizer.step()
