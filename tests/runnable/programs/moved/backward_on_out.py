# AMP002: silent
import torch
import torch.nn.functional as F
from torch import nn


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    fc = nn.Linear(4, 1)
    p = torch.sigmoid(fc(x))
    loss = F.binary_cross_entropy(p, y)
    p.backward(torch.ones_like(p))
    return fc.weight.grad, loss
