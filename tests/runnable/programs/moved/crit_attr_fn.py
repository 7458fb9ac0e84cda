# AMP002: kept
import torch
import torch.nn.functional as F


class T:
    def __init__(self):
        self.f = F.binary_cross_entropy

    def run(self, p, y):
        return self.f(torch.sigmoid(p), y)


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    return T().run(x[:, :1], y)
