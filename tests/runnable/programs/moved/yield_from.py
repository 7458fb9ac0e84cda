# AMP002: fixed
import torch
import torch.nn.functional as F


def g(x):
    p = torch.sigmoid(x)
    yield from p


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    p = torch.sigmoid(x[:, :1])
    l = F.binary_cross_entropy(p, y)
    return list(g(x)), l
