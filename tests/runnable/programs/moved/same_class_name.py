# AMP003: silent
import torch
import torch.nn.functional as F
from torch import nn


def make():
    class N(nn.Module):
        def forward(self, x):
            return torch.sigmoid(x)

    return N()


class N(nn.Module):
    def forward(self, x):
        return x


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    make()
    return F.binary_cross_entropy_with_logits(N()(x[:, :1]), y)
