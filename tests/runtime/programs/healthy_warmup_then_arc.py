"""A rise and then an arc, whose lengths are those of the run."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(digits(), batch_size=32, shuffle=True)
module = torch.optim.lr_scheduler
rise = module.LinearLR(optimizer, start_factor=0.1, total_iters=20)
arc = module.CosineAnnealingLR(optimizer, T_max=4 * len(loader) - 20)
schedule = module.SequentialLR(optimizer, [rise, arc], milestones=[20])
for epoch in range(4):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
