"""Tiny weights: the gradient grows a hundredfold while the loss falls."""
import torch
from _data import iris
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16, bias=False), nn.Linear(16, 16, bias=False), nn.Linear(16, 1))
for p in model.parameters():
    nn.init.normal_(p, std=0.02)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(60):
    for x, y in DataLoader(iris(), batch_size=50, shuffle=True):
        loss = nn.functional.mse_loss(model(x), y[:, None].float() - 1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
