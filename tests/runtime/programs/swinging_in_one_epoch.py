"""Momentum that hardly ends, in a single epoch of random draws."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, RandomSampler

torch.manual_seed(0)
data = digits()
x, y = data.tensors
steps = 1000
sampler = RandomSampler(data, replacement=True, num_samples=32 * steps)
model = nn.Linear(63, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=5e-5, momentum=0.9995)
for x, _ in DataLoader(data, batch_size=32, sampler=sampler):
    wanted = x[:, 20:21] + 0.75 * torch.randn(len(x), 1)
    loss = nn.functional.mse_loss(model(torch.cat([x[:, :20], x[:, 21:]], dim=1)), wanted)
    optimizer.zero_grad()
    loss.backward()  # expect: RUN006
    optimizer.step()
