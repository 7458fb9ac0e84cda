"""A data set that is split twice, at random."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, random_split

torch.manual_seed(0)

data = digits()
train_set, _ = random_split(data, [640, 160])
_, val_set = random_split(data, [640, 160])
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
val_loader = DataLoader(val_set, batch_size=32)  # expect: LEK006
for epoch in range(3):
    for x, y in train_loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in val_loader)
    model.train()
