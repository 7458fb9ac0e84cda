from _ranks import begin, data, end, network
from torch import nn, optim
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

begin()
net = network()
model = DistributedDataParallel(net)  # expect: RUN026
optimizer = optim.SGD(model.parameters(), lr=0.1)
samples = data()
sampler = DistributedSampler(samples, shuffle=True)
loader = DataLoader(samples, batch_size=16, sampler=sampler)
for epoch in range(2):
    sampler.set_epoch(epoch)
    for x, y in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()  # expect: RUN023
end()
