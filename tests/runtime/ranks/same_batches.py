from _ranks import begin, data, end, network
from torch import nn, optim
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

begin()
model = DistributedDataParallel(network())
optimizer = optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(data(), batch_size=16, shuffle=True)  # expect: RUN024
for epoch in range(2):
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
end()
