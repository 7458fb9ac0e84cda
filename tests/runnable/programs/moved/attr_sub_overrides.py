# AMP003: silent
import torch
import torch.nn.functional as F
from torch import nn


class N(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 1)
        self.act = nn.Sigmoid()

    def forward(self, x):
        return self.act(self.fc(x))


class M(N):
    def __init__(self):
        super().__init__()
        self.act = nn.Identity()


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    return F.binary_cross_entropy_with_logits(M()(x), y)
