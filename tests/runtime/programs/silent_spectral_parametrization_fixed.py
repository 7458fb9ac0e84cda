"""In training mode they follow."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
norm = nn.utils.parametrizations.spectral_norm
body, head = nn.Sequential(norm(nn.Linear(64, 32)), nn.ReLU()), nn.Linear(32, 10)
body.train()
groups = [{"params": body.parameters(), "lr": 0.2}, {"params": head.parameters()}]
optimizer = torch.optim.SGD(groups, lr=0.1)
for epoch in range(1):
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(head(body(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
