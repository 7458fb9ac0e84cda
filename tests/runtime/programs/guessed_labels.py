"""Labels that are guessed anew half of the time, at a rate that is never lowered."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
data = digits(640)
model = nn.Linear(64, 10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=1.0)
for epoch in range(16):
    for x, y in DataLoader(data, batch_size=32, shuffle=True):
        y = torch.where(torch.rand(len(y)) < 0.5, torch.randint(10, y.shape), y)
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()  # expect-info: RUN008
        optimizer.step()
    schedule.step()
