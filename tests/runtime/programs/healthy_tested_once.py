"""A test set that is looked at in each epoch and chooses nothing; the validation data chooses."""
import tempfile

import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, random_split

torch.manual_seed(0)

folder = tempfile.mkdtemp()
train_set, val_set, test_set = random_split(digits(), [500, 150, 150])
model = nn.Sequential(
    nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10)
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
val_loader, test_loader = DataLoader(val_set, batch_size=50), DataLoader(test_set, batch_size=50)
best = 0
for epoch in range(5):
    for x, y in train_loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in val_loader)
    model.train()
    model.eval()
    with torch.no_grad():
        seen = sum(int((model(x).argmax(1) == y).sum()) for x, y in test_loader)
    model.train()
    if right > best:
        best = right
        torch.save(model.state_dict(), f"{folder}/best.pt")
model.load_state_dict(torch.load(f"{folder}/best.pt", weights_only=True))
model.eval()
with torch.no_grad():
    tested = sum(int((model(x).argmax(1) == y).sum()) for x, y in test_loader)
