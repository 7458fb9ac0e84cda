# AMP002: fixed
import torch
import torch.nn.functional as F
from torch import nn


import io


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    fc = nn.Linear(4, 1)
    p = torch.sigmoid(fc(x))
    l = F.binary_cross_entropy(p, y)
    b = io.BytesIO()
    torch.save({"p": p}, b)
    b.seek(0)
    return torch.load(b)["p"], l
