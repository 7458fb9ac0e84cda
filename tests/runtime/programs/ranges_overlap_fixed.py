"""Ranges of indices that follow each other."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, Subset, SubsetRandomSampler

torch.manual_seed(0)

data = digits()
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
train_loader = DataLoader(data, batch_size=32, sampler=SubsetRandomSampler(range(650)))
test_loader = DataLoader(Subset(data, range(650, 800)), batch_size=32)
for epoch in range(3):
    for x, y in train_loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
model.eval()
with torch.no_grad():
    right = sum(int((model(x).argmax(1) == y).sum()) for x, y in test_loader)
model.train()
