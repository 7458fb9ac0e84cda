"""A trainer class with mixed precision, clipping, resuming and early stopping on validation."""

import json
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import confusion_matrix
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Detector(nn.Module):
    def __init__(self, features, width=64):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Dropout(0.2))
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        return self.head(self.body(x)).squeeze(-1)


class Trainer:
    def __init__(self, model, loaders, folder, lr=3e-4, amp=True):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device)
        self.train_loader, self.val_loader, self.test_loader = loaders
        self.folder = Path(folder)
        self.amp = amp and self.device.type == "cuda"
        self.criterion = nn.BCEWithLogitsLoss()
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(self.optimizer, factor=0.5)
        self.scaler = torch.amp.GradScaler("cuda", enabled=self.amp)
        self.start_epoch = 0
        self.history = []

    def resume(self, path):
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.start_epoch = state["epoch"] + 1

    def read_history(self):
        try:
            self.history = json.loads((self.folder / "history.json").read_text())
        except FileNotFoundError:
            self.history = []

    def train_epoch(self):
        self.model.train()
        losses = []
        for x, y in self.train_loader:
            x, y = x.to(self.device), y.to(self.device)
            self.optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cuda", enabled=self.amp):
                logits = self.model(x)
                loss = self.criterion(logits, y)
            self.scaler.scale(loss).backward()
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            losses.append(loss.item())
        return float(np.mean(losses))

    @torch.no_grad()
    def evaluate(self, loader):
        self.model.eval()
        losses, truth, found = [], [], []
        for x, y in loader:
            x, y = x.to(self.device), y.to(self.device)
            logits = self.model(x)
            losses.append(self.criterion(logits, y).item())
            truth.extend(y.tolist())
            found.extend((torch.sigmoid(logits) > 0.5).float().tolist())
        tn, fp, fn, tp = confusion_matrix(truth, found, labels=[0, 1]).ravel()
        return float(np.mean(losses)), tp / max(tp + fn, 1), tn / max(tn + fp, 1)

    def fit(self, epochs, patience=5):
        best, waited = float("inf"), 0
        for epoch in range(self.start_epoch, epochs):
            train_loss = self.train_epoch()
            val_loss, sensitivity, specificity = self.evaluate(self.val_loader)
            self.scheduler.step(val_loss)
            self.history.append((train_loss, val_loss, sensitivity, specificity))
            if val_loss < best:
                best, waited = val_loss, 0
                self.save(epoch)
            else:
                waited += 1
                if waited > patience:
                    break
        (self.folder / "history.json").write_text(json.dumps(self.history))
        print("test", self.evaluate(self.test_loader))

    def save(self, epoch):
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": epoch,
        }
        torch.save(state, self.folder / "last.pt")


def make_loader(rows, shuffle):
    x = torch.randn(rows, 12)
    return DataLoader(TensorDataset(x, (x.sum(1) > 0).float()), batch_size=32, shuffle=shuffle)


def main(folder="."):
    loaders = make_loader(400, True), make_loader(100, False), make_loader(100, False)
    trainer = Trainer(Detector(12), loaders, folder)
    trainer.read_history()
    trainer.fit(epochs=3)


if __name__ == "__main__":
    main()
