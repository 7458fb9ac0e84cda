# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    f = F.mse_loss if y.sum() > 0 else F.binary_cross_entropy
    fc = nn.Linear(4, 1)
    p = torch.sigmoid(fc(x))
    return f(p, y), p
