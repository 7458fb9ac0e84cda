"""Forecasting from windows of a series: own scaling, a counter of pending micro-batches, an EMA."""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

WINDOW, PENDING = 48, 3


class Windows(Dataset):
    def __init__(self, folder, names, mean, std):
        self.folder, self.names = Path(folder), names
        self.mean, self.std = mean, std

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        series = np.load(self.folder / self.names[index])
        series = torch.as_tensor((series - self.mean) / self.std, dtype=torch.float32)
        return series[:WINDOW], series[WINDOW]


class Forecaster(nn.Module):
    def __init__(self, hidden=64):
        super().__init__()
        self.rnn = nn.GRU(1, hidden, batch_first=True)
        self.dropout = nn.Dropout(0.1)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        states, _ = self.rnn(x.unsqueeze(-1))
        return self.out(self.dropout(states[:, -1])).squeeze(-1)


class EarlyStopping:
    def __init__(self, patience):
        self.patience, self.best, self.waited = patience, float("inf"), 0

    def should_stop(self, loss):
        if loss < self.best:
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        return self.waited >= self.patience


def average(shadow, model, decay=0.99):
    with torch.no_grad():
        for kept, current in zip(shadow.parameters(), model.parameters(), strict=True):
            kept.lerp_(current, 1 - decay)


def train_epoch(model, shadow, loader, optimizer):
    model.train()
    total, pending = 0.0, 0
    for x, y in loader:
        loss = nn.functional.mse_loss(model(x), y)
        (loss / PENDING).backward()
        total += loss.item()
        pending += 1
        if pending == PENDING:
            optimizer.step()
            optimizer.zero_grad()
            average(shadow, model)
            pending = 0
    if pending > 0:
        optimizer.step()
        optimizer.zero_grad()
    return total / len(loader)


@torch.no_grad()
def error(model, loader):
    model.eval()
    parts = [nn.functional.l1_loss(model(x), y).item() for x, y in loader]
    return float(np.mean(parts))


def main(folder="series", epochs=50):
    names = sorted(path.name for path in Path(folder).glob("*.npy"))
    train_names, val_names, test_names = names[:700], names[700:850], names[850:]
    values = np.concatenate([np.load(Path(folder) / name) for name in train_names])
    mean, std = values.mean(), values.std()
    train_set = Windows(folder, train_names, mean, std)
    val_set = Windows(folder, val_names, mean, std)
    test_set = Windows(folder, test_names, mean, std)
    train_loader = DataLoader(train_set, batch_size=32, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=32)
    test_loader = DataLoader(test_set, batch_size=32)
    model = Forecaster()
    shadow = copy.deepcopy(model)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.97)
    stopping = EarlyStopping(patience=6)
    for epoch in range(epochs):
        loss = train_epoch(model, shadow, train_loader, optimizer)
        val_error = error(shadow, val_loader)
        scheduler.step()
        print(f"{epoch}: {loss:.4f} {val_error:.4f}")
        if stopping.should_stop(val_error):
            break
    print("test", error(shadow, test_loader))


if __name__ == "__main__":
    main()
