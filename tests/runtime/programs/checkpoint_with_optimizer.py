"""Checkpoints every ten steps, with the state of the optimizer, of which all are kept."""
import tempfile

import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)

folder = tempfile.mkdtemp()
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(digits(), batch_size=32, shuffle=True)
step, kept = 0, []
for epoch in range(10):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 10 == 0:
            kept.append(f"{folder}/step_{step}.pt")
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save(state, kept[-1])  # expect-info: RUN025
