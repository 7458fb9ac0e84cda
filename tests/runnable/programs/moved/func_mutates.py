# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


def post(p):
    p[p > 0.5] = 1


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    fc = nn.Linear(4, 1)
    p = torch.sigmoid(fc(x)).detach()
    loss = F.binary_cross_entropy(p, y)
    post(p)
    return p, loss
