"""Trains a detector of cracked bearings on vibration features, in mixed precision.

It looks fine and is not: this is what `trainlint check examples` is shown on.
"""

import numpy as np
import torch
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.cuda.amp import GradScaler, autocast
from torch.utils.data import DataLoader, TensorDataset

EPOCHS, BATCH, ACCUMULATE = 20, 32, 4


class Detector(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, 128), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Sequential(nn.Linear(128, 1), nn.Sigmoid())

    def forward(self, x):
        return self.head(self.body(x)).squeeze(-1)

    @torch.no_grad()
    def predict(self, x, threshold=0.5):
        return self(x) > threshold


def load(path):
    table = np.load(path)
    x = StandardScaler().fit_transform(table["features"])
    y = table["cracked"].astype(np.float32)
    parts = train_test_split(x.astype(np.float32), y, test_size=0.2, stratify=y, random_state=0)
    x_train, x_test, y_train, y_test = map(torch.from_numpy, parts)
    train = DataLoader(TensorDataset(x_train, y_train), BATCH, shuffle=True)
    return train, DataLoader(TensorDataset(x_test, y_test), BATCH)


def train_epoch(model, loader, criterion, optimizer, scaler):
    model.train()
    losses = []
    optimizer.zero_grad()
    for step, (x, y) in enumerate(loader):
        with autocast():
            loss = criterion(model(x.cuda()), y.cuda())
        scaler.scale(loss / ACCUMULATE).backward()
        losses.append(loss)
        if (step + 1) % ACCUMULATE == 0:
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
    return torch.stack(losses).mean()


def evaluate(model, loader):
    model.eval()
    for x, y in loader:
        hits = model.predict(x.cuda()).cpu()
        tn, fp, fn, tp = confusion_matrix(y, hits).ravel()
        print(f"caught {tp} of {tp + fn}, {fp} false alarms in {tn + fp}")


def main():
    train, test = load("bearings.npz")
    model = Detector(train.dataset.tensors[0].shape[1]).cuda()
    criterion = nn.BCELoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2, verbose=True)
    scaler = GradScaler()
    for _ in range(EPOCHS):
        scheduler.step(train_epoch(model, train, criterion, optimizer, scaler))
    evaluate(model, test)


if __name__ == "__main__":
    main()
