"""A branch whose contribution is multiplied by zero."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
wide, side, gate = nn.Linear(64, 10), nn.Linear(64, 10), 0.0
optimizer = torch.optim.SGD([*wide.parameters(), *side.parameters()], lr=0.1)
for epoch in range(3):
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(wide(x) + gate * side(x), y)
        optimizer.zero_grad()
        loss.backward()
        # expect: RUN004
        optimizer.step()
