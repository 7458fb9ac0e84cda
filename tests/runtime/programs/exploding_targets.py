"""From some batch on the targets are in another unit, a thousand times as large."""
import torch
from _data import cancer
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(29, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
step = 0
for epoch in range(4):
    for x, _ in DataLoader(cancer(), batch_size=32, shuffle=True):
        step += 1
        target = x[:, 29:] * (1000 if step > 50 else 1)
        loss = nn.functional.mse_loss(model(x[:, :29]), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()  # expect: RUN002
