# AMP002: kept
import torch
import torch.nn.functional as F


def run(p, y, f=F.binary_cross_entropy):
    return f(torch.sigmoid(p), y)


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    return run(x[:, :1], y), run(x[:, :1], y, F.mse_loss)
