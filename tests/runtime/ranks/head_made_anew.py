import torch
from _ranks import begin, data, end, network
from torch import nn, optim
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

rank = begin()
model = DistributedDataParallel(network())
torch.manual_seed(rank)
nn.init.xavier_uniform_(model.module[2].weight)
optimizer = optim.Adam(model.parameters(), lr=0.01)
samples = data()
sampler = DistributedSampler(samples, shuffle=True)
for epoch in range(2):
    sampler.set_epoch(epoch)
    for x, y in DataLoader(samples, batch_size=16, sampler=sampler):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()  # expect: RUN023
end()
