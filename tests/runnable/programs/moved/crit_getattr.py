# AMP002: kept
import torch
from torch import nn


class T:
    def __init__(self):
        self.c = nn.BCELoss()

    def a(self, p, y):
        return self.c(torch.sigmoid(p), y)


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    t = T()
    return t.a(x[:, :1], y), getattr(t, "c")(x[:, :1].clamp(0, 1), y)
