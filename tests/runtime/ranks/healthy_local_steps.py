import torch.distributed as dist
from _ranks import begin, data, end, network
from torch import nn, optim
from torch.distributed.algorithms.ddp_comm_hooks import post_localSGD_hook
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

begin()
model = DistributedDataParallel(network())
alone = dist.new_subgroups(1)[0]
state = post_localSGD_hook.PostLocalSGDState(process_group=None, subgroup=alone, start_localSGD_iter=2)
model.register_comm_hook(state, post_localSGD_hook.post_localSGD_hook)
optimizer = optim.SGD(model.parameters(), lr=0.1)
samples = data()
sampler = DistributedSampler(samples)
for epoch in range(2):
    sampler.set_epoch(epoch)
    for step, (x, y) in enumerate(DataLoader(samples, batch_size=16, sampler=sampler)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        if step % 4 == 3:
            for parameter in model.parameters():
                dist.all_reduce(parameter.data)
                parameter.data /= dist.get_world_size()
end()
