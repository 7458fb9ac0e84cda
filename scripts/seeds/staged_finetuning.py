"""Fine-tuning in stages: the head first, then block after block, each with its optimizer."""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader
from transformers import AutoModel

from reviews import Reviews


class Rater(nn.Module):
    def __init__(self, name="bert-base-uncased"):
        super().__init__()
        self.encoder = AutoModel.from_pretrained(name)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(self.encoder.config.hidden_size, 1)

    def freeze(self):
        for parameter in self.encoder.parameters():
            parameter.requires_grad = False

    def unfreeze(self, layers):
        for layer in self.encoder.encoder.layer[-layers:]:
            for parameter in layer.parameters():
                parameter.requires_grad = True

    def forward(self, tokens, mask):
        states = self.encoder(tokens, attention_mask=mask).last_hidden_state
        return self.head(self.dropout(states[:, 0])).squeeze(-1)


class Stages:
    def __init__(self, folder, device):
        self.folder, self.device = Path(folder), device
        self.model = Rater().to(device)
        self.model.freeze()
        self.criterion = nn.BCEWithLogitsLoss()
        self.optimizer = self.make_optimizer(1e-3)
        self.curve = []

    def make_optimizer(self, rate):
        trained = filter(lambda p: p.requires_grad, self.model.parameters())
        return torch.optim.AdamW(trained, lr=rate)

    def epoch(self, loader):
        self.model.train()
        losses = []
        for tokens, mask, liked in loader:
            logits = self.model(tokens.to(self.device), mask.to(self.device))
            loss = self.criterion(logits, liked.to(self.device))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return float(np.mean(losses))

    def accuracy(self, loader):
        self.model.eval()
        hits = []
        with torch.no_grad():
            for tokens, mask, liked in loader:
                logits = self.model(tokens.to(self.device), mask.to(self.device))
                found = torch.sigmoid(logits).cpu() > 0.5
                hits.extend((found == liked.bool()).tolist())
        return float(np.mean(hits))

    def run(self, train_loader, val_loader):
        best = 0.0
        for stage in range(3):
            if stage > 0:
                self.model.unfreeze(layers=2 * stage)
                self.optimizer = self.make_optimizer(2e-5)
            for _ in range(4):
                loss = self.epoch(train_loader)
                score = self.accuracy(val_loader)
                self.curve.append((loss, score))
                if score > best:
                    best = score
                    self.save(score)
        self.load()

    def save(self, score):
        state = {"weights": self.model.state_dict(), "score": score, "curve": self.curve}
        torch.save(state, self.folder / "rater.pt")

    def load(self):
        state = torch.load(self.folder / "rater.pt", map_location=self.device)
        self.model.load_state_dict(state["weights"])
        self.curve = state["curve"]


def main(folder="reviews"):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_loader = DataLoader(Reviews(folder, "train"), batch_size=32, shuffle=True)
    val_loader = DataLoader(Reviews(folder, "validation"), batch_size=64)
    Stages(folder, device).run(train_loader, val_loader)


if __name__ == "__main__":
    main()
