# AMP003: silent
import torch
import torch.nn.functional as F


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)

    class torch_:
        sigmoid = staticmethod(lambda v: v)

    def f(torch):
        return F.binary_cross_entropy_with_logits(torch.sigmoid(x[:, :1]), y)

    return f(torch_)
