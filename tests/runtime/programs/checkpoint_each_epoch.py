"""A checkpoint more after each epoch."""
import tempfile

import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)

folder = tempfile.mkdtemp()
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(digits(64), batch_size=16, shuffle=True)
for epoch in range(24):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.save(model.state_dict(), f"{folder}/epoch_{epoch}.pt")  # expect-info: RUN025
