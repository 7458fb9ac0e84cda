"""Momentum that hardly ends, on all of the data at once."""
import torch
from _data import cancer
from torch import nn

torch.manual_seed(0)
x, _ = cancer().tensors
x, y = x[:, :29], x[:, 29:] + 0.7 * torch.randn(len(x), 1)
model = nn.Linear(29, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=4e-5, momentum=0.9995)
for step in range(1100):
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()  # expect: RUN006
    optimizer.step()
