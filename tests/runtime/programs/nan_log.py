"""The logarithm of a saturated probability."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=20.0)
for epoch in range(2):
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        p = model(x).softmax(dim=1)
        loss = -(torch.nn.functional.one_hot(y, 10) * p.log()).sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()  # expect: RUN001
        optimizer.step()
