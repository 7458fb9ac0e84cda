# AMP003: silent
import torch
import torch.nn.functional as F
from torch import nn


class N(nn.Module):
    def forward(self, x):
        return torch.sigmoid(x)

    def forward(self, x):
        return x


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    return F.binary_cross_entropy_with_logits(N()(x[:, :1]), y)
