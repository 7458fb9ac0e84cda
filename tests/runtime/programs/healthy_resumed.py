"""A run that goes on from a checkpoint, whose first pass begins at the end of an epoch."""
import tempfile

import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, Subset

torch.manual_seed(0)

folder = tempfile.mkdtemp()
data = digits()
model = nn.Sequential(
    nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10)
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for part in range(2):
    if part:
        model.load_state_dict(torch.load(f"{folder}/last.pt", weights_only=True))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(2):
        todo = [] if part and not epoch else range(600)
        train_loader = DataLoader(Subset(data, todo), batch_size=32)
        val_loader = DataLoader(Subset(data, range(600, 800)), batch_size=50)
        for x, y in train_loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            right = sum(int((model(x).argmax(1) == y).sum()) for x, y in val_loader)
        model.train()
        torch.save(model.state_dict(), f"{folder}/last.pt")
