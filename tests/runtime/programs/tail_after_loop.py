"""What is left after the loop is applied, divided by eight though it is one."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Linear(64, 10)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
loader = DataLoader(digits(), batch_size=32, shuffle=True)
for epoch in range(3):
    for number, (x, y) in enumerate(loader, start=1):
        whole = 8
        loss = nn.functional.cross_entropy(model(x), y) / whole
        loss.backward()  # expect-info: ACC003
        if number % 8 == 0:
            optimizer.step()
            optimizer.zero_grad()
    if len(loader) % 8:
        optimizer.step()
        optimizer.zero_grad()
