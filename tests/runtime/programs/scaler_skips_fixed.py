"""The root keeps off zero."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
scaler = torch.amp.GradScaler(
    "cpu", init_scale=2.0**10, growth_factor=1.1, backoff_factor=0.9, growth_interval=1
)
for epoch in range(5):
    for number, (x, y) in enumerate(DataLoader(digits(), batch_size=32, shuffle=True)):
        if number % 3 == 0:
            x = torch.cat([x[1:], torch.zeros(1, 64)])
        optimizer.zero_grad()
        logits = model(x)
        length = (x @ model[0].weight.T).pow(2).sum(1).add(1e-6).sqrt()
        loss = nn.functional.cross_entropy(logits, y) + 1e-3 * length.mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
