# AMP002: kept
import torch
from torch import nn


def run(c, p, y):
    if isinstance(c, nn.BCELoss):
        return c(p, y) * 2
    return c(p, y)


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    c = nn.BCELoss()
    fc = nn.Linear(4, 1)
    p = torch.sigmoid(fc(x))
    return run(c, p, y), p
