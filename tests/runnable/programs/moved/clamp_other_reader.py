# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    fc = nn.Linear(4, 1)
    p = torch.sigmoid(fc(x) * 9)
    p = p.clamp(1e-7, 1 - 1e-7)
    l = F.binary_cross_entropy(p, y)
    return l, p
