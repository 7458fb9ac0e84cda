# AMP002: fixed
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 1)

    def forward(self, x):
        return torch.sigmoid(self.fc(x))


def fit(m, x, y, cb):
    o = m(x)
    cb(o)
    return F.binary_cross_entropy(o, y)


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    r = []
    l = fit(Net(), x, y, r.append)
    return r, l
