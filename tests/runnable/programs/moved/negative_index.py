# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 1)

    def forward(self, x):
        return x, torch.sigmoid(self.fc(x))


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    net = Net()
    out = net(x)
    loss = F.binary_cross_entropy(out[1], y)
    return out[-1], loss
