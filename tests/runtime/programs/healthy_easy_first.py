"""One pass in the order of difficulty, which goes with the class, and shuffled ones after it."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x, y = digits().tensors
order = (y + 12 * torch.rand(len(y))).argsort()
data = TensorDataset(x[order], y[order])
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(3):
    loader = DataLoader(data, batch_size=4, shuffle=epoch > 0)
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
