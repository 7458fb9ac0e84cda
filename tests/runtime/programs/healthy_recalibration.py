"""Batch statistics measured anew on training data, in training mode and without gradients."""
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
average = torch.optim.swa_utils.AveragedModel(model)
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
val_loader = DataLoader(val_set, batch_size=50)
for epoch in range(4):
    for x, y in train_loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    average.update_parameters(model)
    with torch.no_grad():
        for x, y in train_loader:
            model(x)
    torch.optim.swa_utils.update_bn(train_loader, average)
    average.eval()
    with torch.no_grad():
        right = sum(int((average(x).argmax(1) == y).sum()) for x, y in val_loader)
