"""A compiled model."""
# needs: a compiler
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
loss_function = nn.CrossEntropyLoss()


@torch.compile(fullgraph=True)
def loss_of(x, y):
    return loss_function(model(x), y)


optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(2):
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True, drop_last=True):
        loss = loss_of(x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
