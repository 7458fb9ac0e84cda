# AMP002: fixed
import torch
import torch.nn.functional as F
from torch import nn


def head():
    return nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    a = head()
    b = head()
    loss = F.binary_cross_entropy(a(x), y)
    return a(x), b(x), head()(x), loss
