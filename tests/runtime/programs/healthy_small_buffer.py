"""A memory of old samples that is empty in the first task, and classes that come in turn."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, Subset

torch.manual_seed(0)

data = digits()
labels = data.tensors[1]
memory = []
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
test_loader = DataLoader(Subset(data, range(600, 800)), batch_size=50)
for task in range(5):
    own = [i for i in range(600) if labels[i] // 2 == task]
    for epoch in range(3):
        for x, y in DataLoader(Subset(data, own), batch_size=16, shuffle=True):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        for x, y in DataLoader(Subset(data, list(memory)), batch_size=16):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            right = sum(int((model(x).argmax(1) == y).sum()) for x, y in test_loader)
        model.train()
    memory += own[:10]
