"""An accuracy that is 1 from the third epoch on, and one on ten samples."""
import torch
from _data import cancer
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
data = cancer()
train, held_out = torch.utils.data.random_split(data, [559, 10])
model = nn.Sequential(nn.Linear(30, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", patience=30)
small = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", patience=30)
for epoch in range(10):
    for x, y in DataLoader(train, batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in DataLoader(held_out))
        plateau.step(1.0)
        small.step(right / 10)
