# AMP002: fixed
import torch
import torch.nn.functional as F
from torch import nn


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    fc = nn.Linear(4, 1)
    d = {"a": {"p": torch.sigmoid(fc(x)), "q": x}, "b": y}
    loss = F.binary_cross_entropy(d["a"]["p"], d["b"])
    inner = d["a"]
    return inner["p"], loss
