"""A script with many switches: optional mixed precision, accumulation, resuming, two schedules."""

import argparse
import json
import os
from contextlib import nullcontext

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def parse_args():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--accumulation-steps", type=int, default=2)
    parser.add_argument("--schedule", choices=["step", "cosine"], default="step")
    parser.add_argument("--resume", default="")
    parser.add_argument("--pretrained", default="")
    parser.add_argument("--output", default="runs")
    return parser.parse_args()


class Classifier(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(inputs, 128), nn.ReLU(), nn.Dropout(0.5))
        self.fc = nn.Linear(128, classes)

    def forward(self, x):
        hidden = self.encoder(x)
        out = self.fc(hidden)
        return out


def make_data(rows):
    return TensorDataset(torch.randn(rows, 20), torch.randint(0, 5, (rows,)))


def train(args, model, loader, criterion, optimizer, scaler, device):
    model.train()
    context = torch.autocast("cuda") if args.amp else nullcontext()
    total = 0.0
    optimizer.zero_grad()
    for step, (x, y) in enumerate(loader):
        x, y = x.to(device), y.to(device)
        with context:
            loss = criterion(model(x), y)
        total += loss.item()
        loss = loss / args.accumulation_steps
        scaler.scale(loss).backward()
        last = step == len(loader) - 1
        if (step + 1) % args.accumulation_steps == 0 or last:
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
    return total / len(loader)


def accuracy(model, loader, device):
    model.eval()
    hits = count = 0
    with torch.no_grad():
        for x, y in loader:
            hits += (model(x.to(device)).argmax(1).cpu() == y).sum().item()
            count += len(y)
    return hits / count


def main():
    args = parse_args()
    os.makedirs(args.output, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_loader = DataLoader(make_data(500), batch_size=args.batch_size, shuffle=True)
    valid_loader = DataLoader(make_data(100), batch_size=args.batch_size)
    model = Classifier(20, 5).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
    if args.schedule == "step":
        scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[5, 8])
    else:
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.epochs)
    scaler = torch.amp.GradScaler("cuda", enabled=args.amp)
    start, best = 0, 0.0
    if args.pretrained:
        weights = torch.load(args.pretrained, map_location="cpu")
        model.encoder.load_state_dict(weights)
    if args.resume:
        checkpoint = torch.load(args.resume, map_location=device)
        model.load_state_dict(checkpoint["state_dict"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        start, best = checkpoint["epoch"], checkpoint["best"]
    for epoch in range(start, args.epochs):
        loss = train(args, model, train_loader, criterion, optimizer, scaler, device)
        score = accuracy(model, valid_loader, device)
        scheduler.step()
        print(json.dumps({"epoch": epoch, "loss": loss, "accuracy": score}))
        if score > best:
            best = score
            checkpoint = {
                "state_dict": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "epoch": epoch + 1,
                "best": best,
            }
            torch.save(checkpoint, os.path.join(args.output, "best.pt"))


if __name__ == "__main__":
    main()
