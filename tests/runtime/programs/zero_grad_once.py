"""They are cleared once an epoch only."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Linear(64, 10)
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
for epoch in range(2):
    optimizer.zero_grad()
    for x, y in DataLoader(digits(), batch_size=64, shuffle=True):
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()  # expect: LOP001
