"""The last batches of each epoch are accumulated and cleared."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = nn.Linear(64, 10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(digits(720), batch_size=32, shuffle=True)
for epoch in range(3):
    optimizer.zero_grad()
    for number, (x, y) in enumerate(loader, start=1):
        loss = nn.functional.cross_entropy(model(x), y) / 4
        loss.backward()  # expect: ACC001
        if number % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
