# AMP003: silent
import torch
import torch.nn.functional as F
from torch import nn


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    fc = nn.Linear(4, 1)
    out = torch.sigmoid(fc(x))

    def f():
        nonlocal out
        out = fc(x)

    f()
    return F.binary_cross_entropy_with_logits(out, y)
