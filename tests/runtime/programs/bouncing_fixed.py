"""Less of it."""
import torch
from _data import sequences
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
x, y = sequences()
data = torch.utils.data.TensorDataset(x[:, :, 0], y + 2)
model = nn.Linear(12, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.002, momentum=0.9)
for epoch in range(30):
    for a, b in DataLoader(data, batch_size=32, shuffle=True):
        loss = (model(a) - b).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
