# LOS001: fixed
import torch
import torch.nn.functional as F
from torch import nn


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    fc = nn.Linear(4, 3)
    p = torch.softmax(fc(x), dim=1)
    l = F.cross_entropy(p, torch.zeros(6, dtype=torch.long))
    a, b, *c = p
    return a, b, c
