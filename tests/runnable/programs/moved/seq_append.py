# AMP003: silent
import torch
import torch.nn.functional as F
from torch import nn


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    a = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
    a.append(nn.Linear(1, 1))
    loss = F.binary_cross_entropy_with_logits(a(x), y)
    return a(x), loss
