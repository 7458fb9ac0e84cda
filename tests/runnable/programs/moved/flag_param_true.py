# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


class N(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 1)

    def forward(self, x, prob=True):
        z = self.fc(x)
        if prob:
            z = torch.sigmoid(z)
        return z


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    n = N()
    l = F.binary_cross_entropy(n(x), y)
    return l, n(x), n(x, prob=False)
