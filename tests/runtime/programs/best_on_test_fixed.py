"""The checkpoint that is best on the validation data."""
import tempfile

import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, random_split

torch.manual_seed(0)
folder = tempfile.mkdtemp()
train_set, val_set, test_set = random_split(digits(), [600, 100, 100])
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
val_loader = DataLoader(val_set, batch_size=50)
test_loader = DataLoader(test_set, batch_size=50)
best = 0
for epoch in range(4):
    for x, y in train_loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in val_loader)
    model.train()
    if right > best:
        best = right
        torch.save(model.state_dict(), folder + "/best.pt")
model.eval()
with torch.no_grad():
    tested = sum(int((model(x).argmax(1) == y).sum()) for x, y in test_loader)
