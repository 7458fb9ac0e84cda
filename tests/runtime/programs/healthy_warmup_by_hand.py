"""A warm-up by hand in the first steps, then a schedule that was stepped all along."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(digits(), batch_size=32, shuffle=True)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.9**epoch)
step = 0
for epoch in range(6):
    for x, y in loader:
        step += 1
        if step <= 40:
            for group in optimizer.param_groups:
                group["lr"] = 0.1 * 0.9**epoch * step / 40
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    schedule.step()
