# AMP003: silent
import torch
import torch.nn.functional as F


def head(z, prob=False):
    return torch.sigmoid(z) if prob else z


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    z = x[:, :1]
    l = F.binary_cross_entropy_with_logits(head(z), y)
    return l, head(z, True)
