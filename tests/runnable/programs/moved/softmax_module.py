# LOS001: fixed
import torch
import torch.nn.functional as F
from torch import nn


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    s = nn.Softmax(1)
    fc = nn.Linear(4, 3)
    p = s(fc(x))
    l = F.cross_entropy(p, torch.zeros(6, dtype=torch.long))
    return p * 1, p.topk(2), p.sort(), p.max(1)[1]
