# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    fc = nn.Linear(4, 1)
    p = torch.full((6, 1), 5.0)
    r = []
    for i in range(2):
        r.append(p)
        p = torch.sigmoid(fc(x))
        loss = F.binary_cross_entropy(p, y)
    return r, p, loss
