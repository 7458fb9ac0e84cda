"""One long script for torchrun: accumulation without needless exchange, validation on each rank."""

import contextlib
import os

import numpy as np
import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F
import torch.utils.data as data
from torch.nn import parallel

EPOCHS, ACCUMULATE = 40, 4
dist.init_process_group(backend="nccl")
local_rank = int(os.environ["LOCAL_RANK"])
torch.cuda.set_device(local_rank)
device = f"cuda:{local_rank}"


class Spectra(data.Dataset):
    def __init__(self, path):
        rows = np.load(path)
        self.inputs, self.targets = rows["inputs"], rows["targets"]

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, index):
        return torch.from_numpy(self.inputs[index]).float(), int(self.targets[index])


train_set, valid_set = Spectra("spectra_train.npz"), Spectra("spectra_valid.npz")
sampler = data.distributed.DistributedSampler(train_set, shuffle=True, drop_last=True)
train_loader = data.DataLoader(train_set, batch_size=32, sampler=sampler, drop_last=True)
valid_loader = data.DataLoader(valid_set, batch_size=64)
network = nn.Sequential(
    nn.Linear(1024, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 12)
)
network = nn.SyncBatchNorm.convert_sync_batchnorm(network).to(device)
ddp = parallel.DistributedDataParallel(network, device_ids=[local_rank])
optimizer = torch.optim.SGD(ddp.parameters(), lr=0.05, momentum=0.9)
windows = len(train_loader) // ACCUMULATE
scheduler = torch.optim.lr_scheduler.OneCycleLR(
    optimizer, max_lr=0.1, epochs=EPOCHS, steps_per_epoch=windows
)

for epoch in range(EPOCHS):
    sampler.set_epoch(epoch)
    ddp.train()
    optimizer.zero_grad()
    for index, (inputs, targets) in enumerate(train_loader):
        if index >= windows * ACCUMULATE:
            break
        inputs, targets = inputs.to(device), targets.to(device)
        ends = (index + 1) % ACCUMULATE == 0
        with contextlib.nullcontext() if ends else ddp.no_sync():
            loss = F.cross_entropy(ddp(inputs), targets) / ACCUMULATE
            loss.backward()
        if ends:
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()

    ddp.eval()
    hits = 0
    with torch.no_grad():
        for inputs, targets in valid_loader:
            found = ddp.module(inputs.to(device)).argmax(dim=1).cpu()
            hits += (found == targets).sum().item()
    if local_rank == 0:
        print(f"{epoch}: {hits / len(valid_set):.1%}")

if local_rank == 0:
    torch.save(network.state_dict(), "spectra.pt")
dist.destroy_process_group()
