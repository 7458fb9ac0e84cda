# AMP003: silent
import torch
import torch.nn.functional as F


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    z = x[:, :1]
    p = z
    if False:
        p = torch.sigmoid(z)
    return F.binary_cross_entropy_with_logits(p, y)
