"""Points on faces: OpenCV and NumPy, a generator for each worker, a network that tells places."""

import os
import random
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

SIZE = 96


def seed_everything(seed=3):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class Faces(Dataset):
    def __init__(self, folder, augment):
        self.files = sorted(Path(folder).glob("*.png"))
        self.augment = augment
        self.rng = None

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        if self.rng is None:
            self.rng = np.random.default_rng(torch.initial_seed())
        file = self.files[index]
        image = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2GRAY)
        points = np.loadtxt(file.with_suffix(".txt")).astype(np.float32)
        if self.augment:
            image, points = self.varied(image, points)
        image, points = self.cut(image, points)
        return torch.from_numpy(image.copy()).float()[None] / 255, torch.from_numpy(points / SIZE)

    def varied(self, image, points):
        if self.rng.random() < 0.5:
            image = cv2.flip(image, 1)
            points = np.stack([image.shape[1] - 1 - points[:, 0], points[:, 1]], axis=1)
            points = points[[1, 0, 2, 4, 3]]
        angle = self.rng.uniform(-15, 15)
        turn = cv2.getRotationMatrix2D((image.shape[1] / 2, image.shape[0] / 2), angle, 1.0)
        image = cv2.warpAffine(image, turn, image.shape[::-1])
        points = points @ turn[:, :2].T + turn[:, 2]
        return image, points.astype(np.float32)

    def cut(self, image, points):
        height, width = image.shape
        if height <= SIZE or width <= SIZE:
            scale = (SIZE + 1) / min(height, width)
            image = cv2.resize(image, None, fx=scale, fy=scale)
            points = points * scale
            height, width = image.shape
        top = self.rng.integers(0, height - SIZE + 1)
        left = self.rng.integers(0, width - SIZE + 1)
        image = image[top : top + SIZE, left : left + SIZE]
        return image, points - np.array([left, top], dtype=np.float32)


class Locator(nn.Module):
    def __init__(self, points=5):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 32, 5, stride=2), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(6)
        )
        self.out = nn.Linear(32 * 36, 2 * points)

    def forward(self, images):
        return self.out(self.trunk(images).flatten(1)).view(len(images), -1, 2)


def run_epoch(model, loader, criterion, optimizer, device):
    model.train()
    total = 0.0
    for images, points in loader:
        images, points = images.to(device), points.to(device)
        optimizer.zero_grad()
        loss = criterion(model(images), points)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
    return total / len(loader.dataset)


@torch.no_grad()
def distance(model, loader, device):
    model.eval()
    parts = []
    for images, points in loader:
        parts.append((model(images.to(device)).cpu() - points).norm(dim=-1).mean(dim=1))
    return SIZE * torch.cat(parts).mean().item()


def main(root="faces", epochs=60):
    seed_everything()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train_loader = DataLoader(Faces(f"{root}/train", True), 32, shuffle=True, num_workers=4)
    val_loader = DataLoader(Faces(f"{root}/val", False), 32, num_workers=4)
    model = Locator().to(device)
    criterion = nn.SmoothL1Loss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=20, gamma=0.3)
    best = float("inf")
    for epoch in range(epochs):
        loss = run_epoch(model, train_loader, criterion, optimizer, device)
        error = distance(model, val_loader, device)
        scheduler.step()
        print(f"{epoch}: {loss:.4f} {error:.2f} pixels")
        if error < best:
            best = error
            torch.save(model.state_dict(), "locator.tmp")
            os.replace("locator.tmp", "locator.pt")


if __name__ == "__main__":
    main()
