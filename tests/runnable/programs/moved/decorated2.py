# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


def half(f):
    def inner(*a):
        r = f(*a)
        assert (r <= 1).all() and (r >= 0).all()
        return r

    return inner


@half
def score(fc, x):
    return torch.sigmoid(fc(x))


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    fc = nn.Linear(4, 1)
    s = score(fc, x * 9)
    loss = F.binary_cross_entropy(s, y)
    return s, loss
