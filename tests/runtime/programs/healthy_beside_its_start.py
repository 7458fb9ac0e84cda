"""What is trained is judged beside a copy of its start, with nothing but an accuracy."""
import copy

import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
train, held_out = torch.utils.data.random_split(digits(), [600, 200])
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
best = copy.deepcopy(model)


@torch.no_grad()
def accuracy(net):
    net.eval()
    right = 0
    for x, y in DataLoader(held_out, batch_size=64):
        right += (net(x).argmax(dim=1) == y).sum().item()
    net.train()
    return right / len(held_out)


for epoch in range(7):
    for x, y in DataLoader(train, batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    accuracy(best)
    accuracy(model)
