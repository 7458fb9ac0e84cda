# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


class S(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())

    def forward(self, x):
        return self.net(x)


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    s = S()
    both = nn.Sequential(s.net, nn.Flatten())
    loss = F.binary_cross_entropy(s(x), y)
    return s(x), both(x), loss
