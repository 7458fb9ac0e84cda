"""Keyword spotting on log-mel spectrograms that librosa computes in the dataset."""

import csv
import logging
from pathlib import Path

import librosa
import numpy as np
import torch
from sklearn.metrics import confusion_matrix, f1_score
from torch import nn
from torch.utils.data import DataLoader, Dataset

log = logging.getLogger(__name__)
RATE, SECONDS, MELS = 16_000, 1.0, 64
WORDS = ["yes", "no", "stop", "go"]


class Recordings(Dataset):
    def __init__(self, folder, split, augment=False):
        with open(Path(folder) / f"{split}.csv", newline="") as file:
            self.rows = list(csv.DictReader(file))
        self.folder, self.augment = Path(folder), augment

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        row = self.rows[index]
        path = self.folder / row["file"]
        wave, _ = librosa.load(path, sr=RATE, duration=SECONDS)
        if self.augment:
            wave = librosa.effects.pitch_shift(wave, sr=RATE, n_steps=np.random.uniform(-1, 1))
        wave = librosa.util.fix_length(wave, size=int(RATE * SECONDS))
        mel = librosa.feature.melspectrogram(y=wave, sr=RATE, n_fft=512, n_mels=MELS)
        features = librosa.power_to_db(mel, ref=np.max)
        return torch.from_numpy(features).float()[None], WORDS.index(row["word"])


class Spotter(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, 32, 3, stride=2), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(4)
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(512, len(WORDS)))

    def forward(self, x):
        return self.classifier(self.conv(x))


def run_epoch(model, loader, criterion, optimizer, device):
    model.train()
    losses = []
    for features, words in loader:
        features, words = features.to(device), words.to(device)
        optimizer.zero_grad()
        loss = criterion(model(features), words)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def validate(model, loader, device):
    model.eval()
    truth, found = [], []
    with torch.no_grad():
        for features, words in loader:
            logits = model(features.to(device))
            truth.extend(words.tolist())
            found.extend(logits.argmax(dim=1).cpu().tolist())
    matrix = confusion_matrix(truth, found, labels=range(len(WORDS)))
    for word, row in zip(WORDS, matrix, strict=True):
        log.info("%s: %s", word, row)
    return f1_score(truth, found, average="macro", labels=range(len(WORDS)), zero_division=0)


def main(folder="speech", epochs=20):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_loader = DataLoader(Recordings(folder, "train", augment=True), 32, shuffle=True)
    val_loader = DataLoader(Recordings(folder, "validation"), 32)
    test_loader = DataLoader(Recordings(folder, "test"), 32)
    model = Spotter().to(device)
    encoder = torch.load("pretrained_conv.pt", map_location=device, weights_only=True)
    model.conv.load_state_dict(encoder)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    best = 0.0
    for epoch in range(epochs):
        loss = run_epoch(model, train_loader, criterion, optimizer, device)
        score = validate(model, val_loader, device)
        scheduler.step()
        log.info("%d: loss %.3f, validation F1 %.3f", epoch, loss, score)
        if score > best:
            best = score
            torch.save(model.state_dict(), "spotter.pt")
    log.info("test F1 %.3f", validate(model, test_loader, device))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main()
