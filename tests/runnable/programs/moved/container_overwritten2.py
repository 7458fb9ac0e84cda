# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


class N(nn.Module):
    def forward(self, x):
        return {"p": torch.sigmoid(x)}


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    o = N()(x[:, :1])
    l = F.binary_cross_entropy(o["p"], y)
    o["p"] = o["p"] * 2
    return o["p"], l
