from _ranks import begin, data, end, network
from torch import nn, optim
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

begin()
model = DistributedDataParallel(network())
optimizer = optim.SGD(model.parameters(), lr=0.1)
samples = data()
sampler = DistributedSampler(samples)
loader = DataLoader(samples, batch_size=16, sampler=sampler)
for epoch in range(2):
    sampler.set_epoch(epoch)
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
end()
