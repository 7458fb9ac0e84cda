"""Two data sets that are read apart, of the same samples."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)


def read(split):
    x, y = digits().tensors
    return TensorDataset(x.clone(), y.clone())


model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
train_loader = DataLoader(read("train"), batch_size=32, shuffle=True)
loaders = {
    "train": train_loader,
    "val": DataLoader(read("val"), batch_size=32),  # expect: LEK003
}
for epoch in range(3):
    for x, y in loaders["train"]:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in loaders["val"])
    model.train()
