# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 1)

    def forward(self, x):
        return {"p": torch.sigmoid(self.fc(x)), "x": x}


def metric(p, x):
    return p.mean()


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    net = Net()
    out = net(x)
    loss = F.binary_cross_entropy(out["p"], y)
    return metric(**out), loss
