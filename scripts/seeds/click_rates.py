"""Clicks in a table: logits to train on, probabilities where the rates are reported."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Clicks(nn.Module):
    def __init__(self, columns):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(columns, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3)
        )
        self.out = nn.Linear(64, 1)

    def forward(self, x):
        return self.out(self.layers(x)).squeeze(1)


class Fitting:
    def __init__(self, model, train_loader, val_loader):
        self.model = model
        self.train_loader, self.val_loader = train_loader, val_loader
        self.criterion = nn.BCEWithLogitsLoss()
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def train_epoch(self):
        self.model.train()
        losses = []
        for x, y in self.train_loader:
            self.optimizer.zero_grad()
            loss = self.criterion(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return float(np.mean(losses))

    def val_epoch(self):
        self.model.eval()
        losses, rates, clicked = [], [], []
        with torch.no_grad():
            for x, y in self.val_loader:
                logits = self.model(x)
                losses.append(self.criterion(logits, y).item())
                rates.append(torch.sigmoid(logits).numpy())
                clicked.append(y.numpy())
        found = np.concatenate(rates) >= 0.5
        agreed = (found == np.concatenate(clicked).astype(bool)).mean()
        return float(np.mean(losses)), float(agreed)

    @torch.no_grad()
    def expected_clicks(self, x):
        self.model.eval()
        return {"probability": torch.sigmoid(self.model(x)).tolist(), "rows": len(x)}

    def fit(self, epochs):
        best = float("inf")
        for epoch in range(epochs):
            train_loss = self.train_epoch()
            val_loss, agreed = self.val_epoch()
            print(f"{epoch}: {train_loss:.4f} {val_loss:.4f} {agreed:.1%}")
            if val_loss < best:
                best = val_loss
                state = {"epoch": epoch, "model": self.model.state_dict(), "loss": val_loss}
                torch.save(state, "clicks.pt")
        state = torch.load("clicks.pt", map_location="cpu")
        self.model.load_state_dict(state["model"])


def main(path="clicks.npz"):
    rows = np.load(path)
    x, y = torch.from_numpy(rows["x"]).float(), torch.from_numpy(rows["y"]).float()
    cut = int(0.8 * len(x))
    train_loader = DataLoader(TensorDataset(x[:cut], y[:cut]), batch_size=256, shuffle=True)
    val_loader = DataLoader(TensorDataset(x[cut:], y[cut:]), batch_size=1024)
    Fitting(Clicks(x.shape[1]), train_loader, val_loader).fit(10)


if __name__ == "__main__":
    main()
