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


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    ns = [Net(), Net()]
    loss = F.binary_cross_entropy(ns[0](x), y)
    return [n(x) for n in ns], loss
