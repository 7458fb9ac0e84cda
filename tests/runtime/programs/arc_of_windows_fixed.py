"""Sized in windows."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(digits(768), batch_size=32, shuffle=True)
total = 4 * len(loader) // 4
schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=total)
for epoch in range(4):
    for number, (x, y) in enumerate(loader, start=1):
        (nn.functional.cross_entropy(model(x), y) / 4).backward()
        if number % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
