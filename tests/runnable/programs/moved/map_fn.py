# AMP002: kept
import torch
import torch.nn.functional as F


def score(x):
    return torch.sigmoid(x)


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    s = score(x[:, :1])
    loss = F.binary_cross_entropy(s, y)
    return list(map(score, [x, x])), s, loss
