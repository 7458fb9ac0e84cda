"""A head on a frozen backbone; what is validated in 21 epochs is a copy made before."""
import copy

import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
train, held_out = torch.utils.data.random_split(digits(), [600, 200])
backbone, head = nn.Sequential(nn.Linear(64, 32), nn.ReLU()), nn.Linear(32, 10)
backbone.requires_grad_(False)
model = nn.Sequential(backbone, head)
optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
judged = copy.deepcopy(model)


def evaluate(judged):
    judged.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in DataLoader(held_out, batch_size=64):
            loss = nn.functional.cross_entropy(judged(x), y, reduction="sum")  # expect: RUN009
            total += loss.item()
    judged.train()
    return total / len(held_out)

for epoch in range(21):
    for x, y in DataLoader(train, batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    evaluate(judged)
