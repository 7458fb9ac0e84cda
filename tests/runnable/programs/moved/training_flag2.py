# AMP003: silent
import torch
import torch.nn.functional as F
from torch import nn


class N(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 1)

    def forward(self, x):
        z = self.fc(x)
        if self.training:
            return z
        return torch.sigmoid(z)


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    n = N()
    l = F.binary_cross_entropy_with_logits(n(x), y)
    n.eval()
    return l, n(x)
