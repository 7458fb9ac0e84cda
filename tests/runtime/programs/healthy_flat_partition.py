import torch
from _data import digits
from torch import nn, optim
from torch.utils.data import DataLoader


class Partitioned:
    """An optimizer of flat master weights in single precision, as sharding libraries have it."""

    def __init__(self, optimizer):
        self.optimizer = optimizer
        (group,) = optimizer.param_groups
        self.parameters = group["params"]
        flat = torch.cat([p.detach().float().flatten() for p in self.parameters])
        self.master = nn.Parameter(flat)
        group["params"] = [self.master]

    @property
    def param_groups(self):
        return self.optimizer.param_groups

    def backward(self, loss):
        loss.float().backward()
        self.master.grad = torch.cat([p.grad.float().flatten() for p in self.parameters])
        for parameter in self.parameters:
            parameter.grad = None

    def step(self):
        self.optimizer.step()
        self.master.grad = None
        sizes = [p.numel() for p in self.parameters]
        with torch.no_grad():
            for parameter, part in zip(self.parameters, self.master.split(sizes)):
                parameter.copy_(part.view_as(parameter))


model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)).to(torch.bfloat16)
engine = Partitioned(optim.AdamW(model.parameters(), lr=0.003))
for epoch in range(4):
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        engine.backward(nn.functional.cross_entropy(model(x.to(torch.bfloat16)), y))
        engine.step()
