"""Reentrant gradient checkpointing, which calls backward inside of backward."""
import torch
from _data import digits
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader

torch.manual_seed(0)
block = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 64), nn.ReLU())
head = nn.Linear(64, 10)
optimizer = torch.optim.SGD([*block.parameters(), *head.parameters()], lr=0.1, momentum=0.9)
for epoch in range(3):
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        x.requires_grad_(True)
        loss = nn.functional.cross_entropy(head(checkpoint(block, x, use_reentrant=True)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
