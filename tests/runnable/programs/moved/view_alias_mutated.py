# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6)
    fc = nn.Linear(4, 1)
    out = torch.sigmoid(fc(x)).detach()
    flat = out.view(-1)
    flat[0] = 0.125
    loss = F.binary_cross_entropy(out.squeeze(1), y)
    return flat, loss
