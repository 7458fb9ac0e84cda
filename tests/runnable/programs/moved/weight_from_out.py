# AMP002: fixed
import torch
import torch.nn.functional as F


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    p = torch.sigmoid(x[:, :1])
    return (
        F.binary_cross_entropy(p, y, weight=p.detach()),
        p.shape,
        p.size(0),
        p.dim(),
        p.device.type,
    )
