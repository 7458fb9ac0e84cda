"""Rectifiers and normalised layers."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
layers = [nn.Linear(64, 32)]
for _ in range(12):
    layers += [nn.Linear(32, 32), nn.LayerNorm(32), nn.ReLU()]
model = nn.Sequential(*layers, nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)

for epoch in range(3):
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
