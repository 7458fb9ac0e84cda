# AMP002: fixed
import torch
import torch.nn.functional as F
from torch import nn


def steps(fc, xs, y):
    for x in xs:
        p = torch.sigmoid(fc(x))
        yield p, F.binary_cross_entropy(p, y)


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    fc = nn.Linear(4, 1)
    return [(p, l) for p, l in steps(fc, [x, x + 1], y)]
