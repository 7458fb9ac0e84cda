"""The loss of a teacher stays what it is; that of the student is seen beside it."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
train, held_out = torch.utils.data.random_split(digits(), [600, 200])
teacher = nn.Linear(64, 10)
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
x_held, y_held = next(iter(DataLoader(held_out, batch_size=200)))
for epoch in range(5):
    for x, y in DataLoader(train, batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        nn.functional.cross_entropy(teacher(x_held), y_held)
        nn.functional.cross_entropy(model(x_held), y_held)
