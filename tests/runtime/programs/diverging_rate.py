"""A rate that grows by a factor each epoch, with clipping."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(12):
    if epoch == 4:
        optimizer.param_groups[0]["lr"] *= 200
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()  # expect: RUN005
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
