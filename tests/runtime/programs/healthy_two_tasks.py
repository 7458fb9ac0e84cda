"""Two tasks on one data set, each with a split, a model and an optimizer of its own."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, Subset

torch.manual_seed(0)

data = digits()
cut, swapped = (range(600), range(600, 800)), (range(200, 800), range(200))
pairs = []
for own, rest in (cut, swapped):
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    train_loader = DataLoader(Subset(data, own), batch_size=32, shuffle=True)
    test_loader = DataLoader(Subset(data, rest), batch_size=50)
    for epoch in range(2):
        for x, y in train_loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            right = sum(int((model(x).argmax(1) == y).sum()) for x, y in test_loader)
        model.train()
