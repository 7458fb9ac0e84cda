"""Mixed precision with a gradient scaler that leaves out steps now and then, as it should."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1 / 32)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**123, growth_interval=20)
for epoch in range(6):
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(model(x).float(), y, reduction="sum")
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 160.0)
        scaler.step(optimizer)
        scaler.update()
