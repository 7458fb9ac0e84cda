"""What the programs of several ranks share: a process group on the CPU, data and a model."""

import os

import torch
import torch.distributed as dist
from torch.utils.data import TensorDataset


def begin():
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    torch.manual_seed(0)
    return dist.get_rank()


def data(count=256, seed=7):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 6, generator=generator)
    return TensorDataset(x, (x[:, 0] > 0).long() + (x[:, 1] > 1).long())


def network():
    return torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))


def end():
    dist.barrier()
    dist.destroy_process_group()
    print("rank", os.environ["RANK"], "done", flush=True)
