"""A data set that names ten classes and has nine."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

x, y = digits().tensors
x, y = x[y != 7], y[y != 7]
data = TensorDataset(x, y)
data.classes = "zero one two three four five six seven eight nine".split()
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(data, batch_size=32, shuffle=True)  # expect: RUN019
for epoch in range(3):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
