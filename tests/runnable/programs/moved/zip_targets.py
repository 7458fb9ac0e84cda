# AMP002: fixed
import torch
import torch.nn.functional as F
from torch import nn


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    fc = nn.Linear(4, 1)
    out = torch.sigmoid(fc(x))
    n = 0
    for o, t in zip(out, y):
        n += o.item() * t.item()
    loss = F.binary_cross_entropy(out, y)
    return n, loss
