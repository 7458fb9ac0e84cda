"""One sample in other units makes one batch's loss jump."""
import torch
from _data import sequences
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
x, y = sequences()
model = nn.Sequential(nn.Flatten(), nn.Linear(12, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
for step in range(100):
    index = torch.randperm(len(x))[:32]
    a, b = x[index], y[index]
    if step == 80:
        b[b.abs().argmax()] *= 60.0
    loss = (model(a) - b).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()  # expect: RUN005
    nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    optimizer.step()
