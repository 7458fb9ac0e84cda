"""Data in the order of its classes, shuffled before it is streamed."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

torch.manual_seed(0)

x, y = digits().tensors
order = torch.randperm(len(y))
samples = [(x[i], y[i]) for i in order]


class Stream(IterableDataset):
    def __iter__(self):
        buffer = []
        for sample in samples:
            buffer.append(sample)
            if len(buffer) > 40:
                yield buffer.pop(int(torch.randint(len(buffer), ())))
        yield from buffer


model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(Stream(), batch_size=32)
for epoch in range(4):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
