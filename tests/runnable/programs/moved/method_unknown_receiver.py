# AMP002: kept
import torch
import torch.nn.functional as F


class S:
    def score(self, x):
        return torch.sigmoid(x)


REG = {}


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    s = S()
    REG["s"] = s
    l = F.binary_cross_entropy(s.score(x[:, :1]), y)
    return REG["s"].score(x), l
