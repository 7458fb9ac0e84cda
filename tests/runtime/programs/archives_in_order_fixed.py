"""Two archives one after the other, each with its own mix of classes, shuffled."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x, y = digits().tensors
first = torch.rand(len(y)) < torch.where(y < 5, 0.8, 0.2)  # digits of one archive, then the other's
order = torch.cat([first.nonzero()[:, 0], (~first).nonzero()[:, 0]])
data = TensorDataset(x[order], y[order])
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(data, batch_size=4, shuffle=True)
for epoch in range(3):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
