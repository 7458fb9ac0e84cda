"""A hinge that training satisfies: its loss and gradient are zero at the end."""
import torch
from _data import iris
from torch import nn

torch.manual_seed(0)
x, y = iris().tensors
keep = y < 2
x, sign = x[keep], y[keep].float() * 2 - 1
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
for step in range(200):
    loss = (1 - sign * model(x)[:, 0]).clamp(min=0).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
