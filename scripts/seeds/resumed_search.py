"""Transfer to new classes: the head is made before the optimizer, a stopped run goes on as it was."""

import argparse
import os
import random

import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms


def set_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def cutout(image):
    """A random square of the picture in grey."""
    x, y = np.random.randint(0, 192, size=2)
    image[:, y : y + 32, x : x + 32] = 0.5
    if random.random() < 0.1:
        image = image.mean(0, keepdim=True).expand_as(image)
    return image


def build(classes):
    model = models.resnet50(weights="IMAGENET1K_V2")
    model.fc = nn.Sequential(nn.Dropout(0.5), nn.Linear(2048, classes))
    model.fc[1] = weight_norm(model.fc[1])
    return model


def resume(path, model, optimizer, scheduler, device):
    saved = torch.load(path, map_location=device, weights_only=True)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    scheduler.load_state_dict(saved["scheduler"])
    return saved["epoch"] + 1


def store(path, model, optimizer, scheduler, epoch):
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": epoch,
    }
    partial = path + ".partial"
    torch.save(state, partial)
    os.replace(partial, path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default="birds")
    parser.add_argument("--checkpoint", default="birds.pt")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    set_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    varied = transforms.Compose(
        [transforms.RandomResizedCrop(224), transforms.ToTensor(), transforms.Lambda(cutout)]
    )
    plain = transforms.Compose(
        [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()]
    )
    train_set = datasets.ImageFolder(os.path.join(args.data, "train"), varied)
    val_set = datasets.ImageFolder(os.path.join(args.data, "val"), plain)
    train_loader = DataLoader(train_set, batch_size=32, shuffle=True, num_workers=4)
    val_loader = DataLoader(val_set, batch_size=64, num_workers=4)
    model = build(len(train_set.classes)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs)
    criterion = nn.CrossEntropyLoss()
    first = 0
    if args.resume:
        first = resume(args.checkpoint, model, optimizer, scheduler, device)
    for epoch in range(first, args.epochs):
        model.train()
        for images, labels in train_loader:
            images, labels = images.to(device), labels.to(device)
            loss = criterion(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step()
        model.eval()
        hits = 0
        with torch.inference_mode():
            for images, labels in val_loader:
                hits += (model(images.to(device)).argmax(1).cpu() == labels).sum().item()
        print(f"{epoch}: {hits / len(val_set):.1%}")
        store(args.checkpoint, model, optimizer, scheduler, epoch)


if __name__ == "__main__":
    main()
