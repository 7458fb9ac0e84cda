# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 1)
        self.g = nn.Linear(4, 1)

    def forward(self, x, fast=False):
        if fast:
            return torch.tanh(self.g(x))
        return torch.sigmoid(self.fc(x))


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    net = Net()
    loss = F.binary_cross_entropy(net(x), y)
    return net(x), net(x, fast=True), loss
