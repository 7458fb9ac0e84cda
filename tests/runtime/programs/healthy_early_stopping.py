"""A schedule for fifty epochs, and patience that ends the run before."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
train, held_out = torch.utils.data.random_split(digits(), [600, 200])
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50)
best, waited = 10.0, 0
x_held, y_held = next(iter(DataLoader(held_out, batch_size=200)))
for epoch in range(50):
    for x, y in DataLoader(train, batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    schedule.step()
    with torch.no_grad():
        now = nn.functional.cross_entropy(model(x_held), y_held).item() + 0.1 * epoch
        nn.functional.mse_loss(torch.tensor(now), torch.tensor(0.0))
    best, waited = (now, 0) if now < best else (best, waited + 1)
    if waited == 2:
        break
