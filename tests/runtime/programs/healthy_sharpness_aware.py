"""Sharpness-aware minimisation: two backward calls a step, an optimizer inside of an optimizer."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader


class SharpnessAware(torch.optim.Optimizer):
    def __init__(self, parameters, inner, **options):
        super().__init__(parameters, {})
        self.inner = inner(self.param_groups, **options)

    @torch.no_grad()
    def climb(self):
        self.moves = []
        for parameter in self.param_groups[0]["params"]:
            move = 0.05 * parameter.grad / (parameter.grad.norm() + 1e-12)
            parameter.add_(move)
            self.moves.append(move)
        self.zero_grad()

    @torch.no_grad()
    def step(self, closure=None):
        for parameter, move in zip(self.param_groups[0]["params"], self.moves):
            parameter.sub_(move)
        self.inner.step()
        self.zero_grad()


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = SharpnessAware(model.parameters(), torch.optim.SGD, lr=0.1, momentum=0.9)
for epoch in range(3):
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.climb()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
