"""Accumulation whose last window is divided by what it holds; the schedule counts updates."""

import argparse
import math
import os

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def get_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="data")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--accumulate", type=int, default=4)
    parser.add_argument("--resume", action="store_true")
    return parser.parse_args()


def make_model():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3 * 32 * 32, 512), nn.ReLU(), nn.Dropout(0.3), nn.Linear(512, 10)
    )


def train_epoch(model, loader, criterion, optimizer, scheduler, scaler, accumulate, device):
    model.train()
    optimizer.zero_grad()
    total, seen = 0.0, 0
    for i, (images, labels) in enumerate(loader):
        images, labels = images.to(device), labels.to(device)
        held = min(accumulate, len(loader) - i + i % accumulate)
        with torch.autocast("cuda", enabled=scaler.is_enabled()):
            loss = criterion(model(images), labels)
        scaler.scale(loss / held).backward()
        total += loss.item() * len(labels)
        seen += len(labels)
        if (i + 1) % accumulate == 0 or (i + 1) == len(loader):
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            scheduler.step()
    return total / max(seen, 1)


def main():
    args = get_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = datasets.CIFAR10(args.data, train=True, transform=transforms.ToTensor())
    loader = DataLoader(data, batch_size=args.batch_size, shuffle=True)
    model = make_model().to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    updates = math.ceil(len(loader) / args.accumulate)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs * updates)
    scaler = torch.amp.GradScaler("cuda", enabled=device.type == "cuda")
    begin = 0
    if args.resume:
        state = torch.load("training.pt", map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        scaler.load_state_dict(state["scaler"])
        begin = state["epoch"] + 1
    for epoch in range(begin, args.epochs):
        loss = train_epoch(
            model, loader, criterion, optimizer, scheduler, scaler, args.accumulate, device
        )
        print(f"{epoch}: {loss:.4f}")
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
            "scaler": scaler.state_dict(),
            "epoch": epoch,
        }
        torch.save(state, "training.new")
        os.replace("training.new", "training.pt")


if __name__ == "__main__":
    main()
