# AMP002: kept
import torch
from torch import nn


def run(f, p, y):
    return f(p, y)


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    c = nn.BCELoss()
    fc = nn.Linear(4, 1)
    p = torch.sigmoid(fc(x))
    q = x[:, :1].clamp(0, 1)
    return c(p, y), run(c, q, y)
