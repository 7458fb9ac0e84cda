"""Samples drawn by the inverse of their class's frequency."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

torch.manual_seed(0)

x, y = digits().tensors
keep = (y < 3) | (torch.rand(len(y)) < 0.3)
data = TensorDataset(x[keep], y[keep])
counts = y[keep].bincount()
weights = 1 / counts[y[keep]].double()
sampler = WeightedRandomSampler(weights, len(weights))
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(data, batch_size=16, sampler=sampler)
for epoch in range(4):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
