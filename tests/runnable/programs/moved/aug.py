# AMP003: silent
import torch
import torch.nn.functional as F


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    z = x[:, :1]
    p = torch.sigmoid(z)
    p -= 0.5
    p *= 20
    return F.binary_cross_entropy_with_logits(p, y)
