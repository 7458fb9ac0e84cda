# AMP002: kept
import functools

import torch
from torch import nn


import functools as ft


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    c = nn.BCELoss()
    fc = nn.Linear(4, 1)
    p = torch.sigmoid(fc(x))
    f = ft.partial(c, target=y)
    return c(p, y), f(p)
