"""The same in single precision."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Linear(64, 10, bias=False)
nn.init.uniform_(model.weight, 0.5, 1.0)
model = model.to(torch.float32)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)
for epoch in range(2):
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x.to(torch.float32)).float(), y).backward()
        optimizer.step()
