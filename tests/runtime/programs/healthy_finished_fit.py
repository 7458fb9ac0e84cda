"""Few samples, fitted until the loss is nearly nothing, on batches that never differ."""
import torch
from _data import iris
from torch import nn

torch.manual_seed(0)
x, y = iris().tensors
model = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
for step in range(300):
    loss = nn.functional.cross_entropy(model(x[::10]), y[::10])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
