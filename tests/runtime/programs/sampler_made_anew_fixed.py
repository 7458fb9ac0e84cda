"""A sampler that is made anew in each epoch is told the epoch."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, DistributedSampler

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
data = digits()
for epoch in range(4):
    sampler = DistributedSampler(data, num_replicas=4, rank=0)
    sampler.set_epoch(epoch)
    batches = BatchSampler(sampler, 20, drop_last=True)
    for x, y in DataLoader(data, batch_sampler=batches):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
