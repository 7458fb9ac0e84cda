"""Sounds of birds, of which some batches are empty or broken: what is counted is what is summed."""

import math

import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score, recall_score
from torch import nn
from torch.utils.data import DataLoader, Dataset

BIRDS = ["wren", "robin", "finch", "tit", "crow"]


class Songs(Dataset):
    def __init__(self, path):
        rows = torch.load(path, map_location="cpu", weights_only=True)
        self.songs, self.birds = rows["songs"], rows["birds"]

    def __len__(self):
        return len(self.birds)

    def __getitem__(self, index):
        return self.songs[index], self.birds[index]


class Listener(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(40, 64, batch_first=True)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(64, len(BIRDS))

    def forward(self, songs):
        states, _ = self.rnn(songs)
        return self.out(self.drop(states[:, -1]))


def train(model, loader, optimizer, device):
    model.train()
    total, used = 0.0, 0
    for songs, birds in loader:
        loss = F.cross_entropy(model(songs.to(device)), birds.to(device))
        if not torch.isfinite(loss):
            continue
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
        used += 1
    if used == 0:
        return math.nan
    return total / used


@torch.no_grad()
def validate(model, loader, device):
    model.eval()
    losses, scores = 0.0, []
    count = 0
    for songs, birds in loader:
        logits = model(songs.to(device)).cpu()
        found = logits.argmax(1)
        scores.append(
            f1_score(
                birds.numpy(), found.numpy(), labels=range(5), average="macro", zero_division=0
            )
        )
        known = birds >= 0
        if known.any():
            losses += F.cross_entropy(logits[known], birds[known], reduction="sum").item()
            count += int(known.sum())
    return losses / max(count, 1), sum(scores) / max(len(scores), 1)


@torch.no_grad()
def test_recalls(model, loader, device):
    model.eval()
    table = []
    for songs, birds in loader:
        found = model(songs.to(device)).argmax(1).cpu()
        table.append(recall_score(birds, found, labels=range(5), average=None, zero_division=0))
    return table


def main(folder="songs", epochs=20):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_loader = DataLoader(Songs(f"{folder}/train.pt"), batch_size=32, shuffle=True)
    val_loader = DataLoader(Songs(f"{folder}/val.pt"), batch_size=128)
    model = Listener().to(device)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    for epoch in range(epochs):
        loss = train(model, train_loader, optimizer, device)
        val_loss, score = validate(model, val_loader, device)
        print(f"{epoch}: {loss:.3f} {val_loss:.3f} {score:.3f}")
    print(test_recalls(model, val_loader, device)[-1])


if __name__ == "__main__":
    main()
