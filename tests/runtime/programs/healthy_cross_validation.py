"""Five folds of one data set, each with a model and an optimizer of its own."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, Subset

torch.manual_seed(0)

data = digits(400)
order = torch.randperm(400).tolist()
results = []
for fold in range(5):
    held_out = order[fold * 80 : fold * 80 + 80]
    rest = [index for index in order if index not in held_out]
    train_loader = DataLoader(Subset(data, rest), batch_size=32, shuffle=True)
    val_loader = DataLoader(Subset(data, held_out), batch_size=40)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(2):
        for x, y in train_loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        results.append(sum(int((model(x).argmax(1) == y).sum()) for x, y in val_loader))
