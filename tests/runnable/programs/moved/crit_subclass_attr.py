# AMP002: kept
import torch
from torch import nn


class A:
    def __init__(self):
        self.c = nn.BCELoss()

    def run(self, z, y):
        p = torch.sigmoid(z)
        return self.c(p, y), p


class B(A):
    def __init__(self):
        self.c = nn.MSELoss()


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    z = x[:, :1]
    return A().run(z, y), B().run(z, y)
