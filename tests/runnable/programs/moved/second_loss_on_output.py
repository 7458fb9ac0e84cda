# AMP002: silent
import torch
import torch.nn.functional as F
from torch import nn


def overlap(p, y):
    return 1 - 2 * (p * y).sum() / (p.sum() + y.sum())


def main():
    x = torch.randn(12, 4)
    y = (x[:, :1] > 0).float()
    fc = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(fc.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        p = torch.sigmoid(fc(x))
        dice = overlap(p, y)
        total = F.binary_cross_entropy(p, y)
        total = total + dice
        total.backward()
        optimizer.step()
    return fc.weight, total
