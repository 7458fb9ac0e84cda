"""Dropout as a function that is not told the mode."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

x, y = digits().tensors
train_set, val_set = TensorDataset(x[:600], y[:600]), TensorDataset(x[600:], y[600:])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(64, 32), nn.Linear(32, 10)

    def forward(self, x):
        hidden = torch.relu(self.first(x))
        return self.second(nn.functional.dropout(hidden, 0.3))


model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
val_loader = DataLoader(val_set, batch_size=50)


def accuracy():
    model.eval()
    with torch.no_grad():
        right = 0
        for x, y in val_loader:  # expect: RUN020
            right += int((model(x).argmax(1) == y).sum())
    model.train()
    return right


for epoch in range(3):
    for x, y in train_loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    accuracy()
accuracy()
