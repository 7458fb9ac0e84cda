"""A helper unwraps the model that it is given."""
import torch
import torch.distributed as dist
from _data import digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

torch.manual_seed(0)
dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
def loss_of(network, x, y):
    network = getattr(network, "module", network)
    return nn.functional.cross_entropy(network(x), y)


model = DistributedDataParallel(nn.Linear(64, 10))  # expect: RUN026
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
    loss = loss_of(model, x, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
dist.destroy_process_group()
