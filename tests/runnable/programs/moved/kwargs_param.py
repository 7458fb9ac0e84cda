# AMP002: fixed
import torch
import torch.nn.functional as F
from torch import nn


def metric(**kw):
    return kw["p"].mean()


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    fc = nn.Linear(4, 1)
    p = torch.sigmoid(fc(x))
    loss = F.binary_cross_entropy(p, y)
    return metric(p=p), loss
