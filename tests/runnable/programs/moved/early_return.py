# AMP002: kept
import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 1)

    def forward(self, x, raw=False):
        z = self.fc(x)
        if raw:
            return z
        return torch.sigmoid(z)


def main():
    x = torch.randn(6, 4)
    y = torch.ones(6, 1)
    net = Net()
    loss = F.binary_cross_entropy(net(x), y)
    return net(x), net(x, raw=True), loss
