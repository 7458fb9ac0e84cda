"""People in a picture, as one number: a data set of floats, a network with a column of outputs."""

import csv
import os

import torch
from PIL import Image
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms


class Crowds(Dataset):
    def __init__(self, listing, folder):
        with open(listing, newline="") as file:
            self.rows = list(csv.reader(file))
        self.folder = folder
        self.transform = transforms.Compose(
            [transforms.Resize((224, 224)), transforms.ToTensor()]
        )

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        name, people = self.rows[index]
        image = self.transform(Image.open(os.path.join(self.folder, name)).convert("RGB"))
        return image, torch.tensor(float(people))


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = models.resnet18(weights=None)
        self.trunk.fc = nn.Identity()
        self.people = nn.Sequential(nn.Dropout(0.2), nn.Linear(512, 1))

    def forward(self, images):
        return self.people(self.trunk(images))


def train(model, loader, optimizer, device):
    model.train()
    criterion = nn.HuberLoss()
    total, seen = 0.0, 0
    for images, people in loader:
        images, people = images.to(device), people.to(device)
        found = model(images).squeeze(1)
        loss = criterion(found, people)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 3.0)
        optimizer.step()
        total += loss.item() * people.size(0)
        seen += people.size(0)
    return total / max(seen, 1)


def evaluate(model, loader, device):
    model.eval()
    missed, seen = 0.0, 0
    with torch.no_grad():
        for images, people in loader:
            found = model(images.to(device)).cpu()
            missed += nn.functional.l1_loss(found, people.unsqueeze(1), reduction="sum").item()
            seen += len(people)
    return missed / max(seen, 1)


def run(folder="crowds", epochs=35):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_set = Crowds(f"{folder}/train.csv", folder)
    val_set = Crowds(f"{folder}/val.csv", folder)
    train_loader = DataLoader(train_set, batch_size=16, shuffle=True, num_workers=2)
    val_loader = DataLoader(val_set, batch_size=32, num_workers=2)
    model = Counter()
    model.people[1] = nn.Linear(512, 1, bias=False)
    model = model.to(device)
    optimizer = optim.AdamW(model.parameters(), lr=3e-4)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=3)
    best = float("inf")
    for epoch in range(epochs):
        loss = train(model, train_loader, optimizer, device)
        missed = evaluate(model, val_loader, device)
        scheduler.step(missed)
        print(f"{epoch}: {loss:.3f} {missed:.2f}")
        if missed < best:
            best = missed
            torch.save(model.state_dict(), "counter.pt.tmp")
            os.replace("counter.pt.tmp", "counter.pt")


if __name__ == "__main__":
    run()
