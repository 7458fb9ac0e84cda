# LOS001: kept
import torch
import torch.nn.functional as F
from torch import nn


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    fc = nn.Linear(4, 3)
    p = torch.softmax(fc(x[None].repeat(2, 1, 1)), dim=-1).transpose(1, 2)
    l = F.cross_entropy(p, torch.zeros(2, 6, dtype=torch.long))
    return p * 1
