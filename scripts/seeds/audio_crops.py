"""Speakers from random seconds of their recordings; noise comes from each worker's own generator."""

from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, get_worker_info

LENGTH = 32_000


class Speakers(Dataset):
    def __init__(self, rows, noise=0.0, seed=0):
        self.rows, self.noise, self.seed = rows, noise, seed
        self.generator = None

    def __len__(self):
        return len(self.rows)

    def make_generator(self):
        info = get_worker_info()
        worker = 0 if info is None else info.id
        return np.random.default_rng([self.seed, worker, torch.initial_seed()])

    def __getitem__(self, index):
        if self.generator is None:
            self.generator = self.make_generator()
        path, speaker = self.rows[index]
        wave, _ = soundfile.read(path, dtype="float32")
        if len(wave) < LENGTH:
            wave = np.pad(wave, (0, LENGTH - len(wave)))
        start = self.generator.integers(0, len(wave) - LENGTH + 1)
        wave = wave[start : start + LENGTH]
        wave = wave + self.noise * self.generator.standard_normal(LENGTH).astype(np.float32)
        return torch.from_numpy(wave), speaker


class Voices(nn.Module):
    def __init__(self, speakers):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(1, 64, 400, stride=160), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2)
        )
        self.out = nn.Linear(64, speakers)

    def forward(self, waves):
        return self.out(self.conv(waves.unsqueeze(1)).mean(-1))


class Session:
    def __init__(self, model, device):
        self.model, self.device = model.to(device), device
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def train(self, loader):
        self.model.train()
        total, seen = 0.0, 0
        for waves, speakers in loader:
            self.optimizer.zero_grad()
            loss = self.loss(self.model(waves.to(self.device)), speakers.to(self.device))
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(waves)
            seen += len(waves)
        return total / max(seen, 1)

    @torch.inference_mode()
    def score(self, loader):
        self.model.eval()
        hits = 0
        for waves, speakers in loader:
            hits += (self.model(waves.to(self.device)).argmax(1).cpu() == speakers).sum().item()
        return hits / len(loader.dataset)


def read_rows(folder):
    people = sorted(path for path in Path(folder).iterdir() if path.is_dir())
    rows = [(str(f), i) for i, p in enumerate(people) for f in sorted(p.glob("*.flac"))]
    return rows, len(people)


def main(folder="voices", epochs=30):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_rows, count = read_rows(f"{folder}/train")
    val_rows, _ = read_rows(f"{folder}/val")
    train_loader = DataLoader(Speakers(train_rows, noise=0.01), 64, shuffle=True, num_workers=8)
    val_loader = DataLoader(Speakers(val_rows), 64, num_workers=8)
    session = Session(Voices(count), device)
    for epoch in range(epochs):
        loss = session.train(train_loader)
        print(f"{epoch}: {loss:.3f} {session.score(val_loader):.1%}")
    torch.save(session.model.state_dict(), "voices.pt")


if __name__ == "__main__":
    main()
