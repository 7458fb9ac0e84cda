"""Batch normalisation that keeps its statistics on purpose, and masks drawn several times."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x, y = digits().tensors
train_set, val_set = TensorDataset(x[:600], y[:600]), TensorDataset(x[600:], y[600:])
model = nn.Sequential(
    nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10)
)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
val_loader = DataLoader(val_set, batch_size=50)
for epoch in range(3):
    model.train()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.eval()
    for x, y in train_loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.train()
    for draw in range(2):
        with torch.no_grad():
            answers = [model(x) for x, _ in val_loader]
