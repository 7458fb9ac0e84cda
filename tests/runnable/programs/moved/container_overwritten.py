# AMP002: kept
import torch
import torch.nn.functional as F


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    d = {"p": torch.sigmoid(x[:, :1])}
    l = F.binary_cross_entropy(d["p"], y)
    d["p"] = d["p"] > 0.5
    return d["p"], l
