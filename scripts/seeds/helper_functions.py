"""Everything in small helper functions: who clears, who steps and who measures is a call away."""

import math
import pickle

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def build_model(inputs, hidden=32):
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.GELU(), nn.Dropout(0.1), nn.Linear(hidden, 1)
    )


def compute_loss(model, criterion, batch):
    x, y = batch
    logits = model(x).view(-1)
    return criterion(logits, y)


def clear(optimizer):
    optimizer.zero_grad()


def update(model, optimizer, limit=5.0):
    norm = nn.utils.clip_grad_norm_(model.parameters(), limit)
    optimizer.step()
    clear(optimizer)
    return norm.item()


def train_one_epoch(model, loader, criterion, optimizer, steps):
    model.train()
    total = 0.0
    clear(optimizer)
    for i, batch in enumerate(loader):
        loss = compute_loss(model, criterion, batch)
        (loss / steps).backward()
        total += loss.item()
        if (i + 1) % steps == 0:
            update(model, optimizer)
    if len(loader) % steps:
        update(model, optimizer)
    return total / len(loader)


def mean_loss(model, loader, criterion):
    model.eval()
    total = 0.0
    with torch.inference_mode():
        for batch in loader:
            total += compute_loss(model, criterion, batch).item()
    return total / len(loader)


def load_rows(path):
    try:
        with open(path, "rb") as file:
            return pickle.load(file)
    except FileNotFoundError:
        x = torch.randn(600, 8)
        return x, (x[:, 0] > 0).float()


def main():
    x, y = load_rows("rows.pkl")
    train_loader = DataLoader(TensorDataset(x[:400], y[:400]), batch_size=16, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[400:500], y[400:500]), batch_size=16)
    test_loader = DataLoader(TensorDataset(x[500:], y[500:]), batch_size=16)
    model = build_model(x.shape[1])
    criterion = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.5)
    best = math.inf
    for _ in range(4):
        loss = train_one_epoch(model, train_loader, criterion, optimizer, steps=4)
        val = mean_loss(model, val_loader, criterion)
        scheduler.step()
        print(f"{loss:.4f} {val:.4f}")
        if val < best:
            best = val
            torch.save(model.state_dict(), "model.pt")
    model.load_state_dict(torch.load("model.pt", map_location="cpu", weights_only=True))
    print("test", mean_loss(model, test_loader, criterion))


if __name__ == "__main__":
    main()
