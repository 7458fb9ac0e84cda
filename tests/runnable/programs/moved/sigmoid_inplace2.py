# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    fc = nn.Linear(4, 1)
    z = fc(x).detach()
    p = z.sigmoid_()
    loss = F.binary_cross_entropy(p, y)
    return z, loss
