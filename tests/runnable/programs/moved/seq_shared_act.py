# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    act = nn.Sigmoid()
    a = nn.Sequential(nn.Linear(4, 1), act)
    b = nn.Sequential(nn.Linear(4, 2), act)
    loss = F.binary_cross_entropy(a(x), y)
    return a(x), b(x), act(x), loss
