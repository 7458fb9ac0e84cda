# AMP002: fixed
import torch
import torch.nn.functional as F
from torch import nn


class N(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 1)

    def forward(self, x):
        return {"p": torch.sigmoid(self.fc(x)), "e": self.fc(x) * 3}


def total(o, y):
    return F.binary_cross_entropy(o["p"], y) + o["e"].abs().mean()


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    n = N()
    o = n(x)
    return total(o, y), o["e"], o["p"]
