"""It is thawed."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
probe = nn.Linear(10, 10)
of_model = torch.optim.Adam(model.parameters(), lr=1e-3)
of_probe = torch.optim.Adam(probe.parameters(), lr=1e-3)
for epoch in range(4):
    model.requires_grad_(epoch != 1)
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(probe(model(x)), y)
        of_model.zero_grad()
        of_probe.zero_grad()
        loss.backward()
        if epoch != 1:
            of_model.step()
        of_probe.step()
