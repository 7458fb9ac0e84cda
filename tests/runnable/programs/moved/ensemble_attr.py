# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 1)

    def forward(self, x):
        return torch.sigmoid(self.fc(x))


class E(nn.Module):
    def __init__(self, ms):
        super().__init__()
        self.ms = nn.ModuleList(ms)

    def forward(self, x):
        return torch.stack([m(x) for m in self.ms]).mean(0)


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    a = Net()
    e = E([a, Net()])
    return F.binary_cross_entropy(a(x), y), e(x)
