"""Rare classes drawn more often, and one dimension of the data that is rarely filled."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

torch.manual_seed(0)

x, y = digits().tensors
keep = (y < 2) | (torch.rand(len(y)) < 0.1)
data = TensorDataset(x[keep], y[keep])
weights = 1 / y[keep].bincount()[y[keep]].double()
loader = DataLoader(data, batch_size=16, sampler=WeightedRandomSampler(weights, 400))
plain = DataLoader(data, batch_size=16, shuffle=True)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(4):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for x, y in plain:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
