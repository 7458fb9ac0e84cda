"""Ranks that keep the order on purpose, and a look at the first batch before the training."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
data = digits()
ordered = DataLoader(data, 20, sampler=DistributedSampler(data, 4, 2, shuffle=False))
sampler = DistributedSampler(data, 4, 2)
shuffled = DataLoader(data, 20, sampler=sampler)
width = next(iter(shuffled))[0].shape[1]
for epoch in range(3):
    sampler.set_epoch(epoch)
    for loader in (ordered, shuffled):
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
