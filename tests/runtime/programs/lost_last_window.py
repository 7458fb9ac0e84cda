"""One epoch, whose last window is begun and never applied."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Linear(64, 10)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
loader = DataLoader(digits(), batch_size=32, shuffle=True)
for number, (x, y) in enumerate(loader):
    if number % 8 == 0:
        optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y) / 8
    loss.backward()  # expect: ACC001
    if number % 8 == 7:
        optimizer.step()
