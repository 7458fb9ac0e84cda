# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


class N(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.fc = nn.Linear(4, 1)
        self.act = act

    def forward(self, x):
        return self.act(self.fc(x))


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    a = N(nn.Sigmoid())
    b = N(nn.Tanh())
    loss = F.binary_cross_entropy(a(x), y)
    return a(x), b(x), loss
