"""A rank's part of the data, in the same order in every epoch."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
data = digits()
sampler = DistributedSampler(data, num_replicas=4, rank=1, shuffle=True)
loader = DataLoader(data, batch_size=20, sampler=sampler)  # expect: DDP001
for epoch in range(4):
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
