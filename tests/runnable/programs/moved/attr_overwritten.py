# AMP003: silent
import torch
import torch.nn.functional as F
from torch import nn


class N(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 1)
        self.act = nn.Sigmoid()
        self.act = nn.Identity()

    def forward(self, x):
        return self.act(self.fc(x))


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    return F.binary_cross_entropy_with_logits(N()(x), y)
