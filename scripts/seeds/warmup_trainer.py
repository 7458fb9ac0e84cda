"""A trainer whose learning rate is set by hand, before each epoch or each batch that it is for."""

import math
import os
import random

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(4)
        )
        self.classifier = nn.Linear(512, 100)

    def forward(self, images):
        return self.classifier(self.conv(images).flatten(1))


class Trainer:
    def __init__(self, model, rate=0.1, warmup=5, epochs=100):
        self.model, self.rate = model, rate
        self.warmup, self.epochs = warmup, epochs
        self.optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
        self.criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
        self.best = 0.0

    def rate_of(self, epoch):
        if epoch < self.warmup:
            return self.rate * (epoch + 1) / self.warmup
        done = (epoch - self.warmup) / (self.epochs - self.warmup)
        return self.rate * 0.5 * (1 + math.cos(math.pi * done))

    def adjust(self, epoch):
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate_of(epoch)

    def train_epoch(self, loader):
        self.model.train()
        for images, labels in loader:
            if random.random() < 0.5:
                images = images.flip(-1)
            self.optimizer.zero_grad()
            loss = self.criterion(self.model(images), labels)
            loss.backward()
            self.optimizer.step()

    def accuracy(self, loader):
        self.model.eval()
        hits = 0
        with torch.no_grad():
            for images, labels in loader:
                hits += (self.model(images).argmax(1) == labels).sum().item()
        return hits / len(loader.dataset)

    def fit(self, train_loader, val_loader):
        for epoch in range(self.epochs):
            self.adjust(epoch)
            self.train_epoch(train_loader)
            score = self.accuracy(val_loader)
            print(f"{epoch}: {score:.1%}")
            if score > self.best:
                self.best = score
                self.keep("small.pt")

    def keep(self, path):
        torch.save(self.model.state_dict(), f"{path}.part")
        os.replace(f"{path}.part", path)


def main():
    random.seed(11)
    torch.manual_seed(11)
    plain = transforms.ToTensor()
    full = datasets.CIFAR100("data", train=True, transform=plain)
    held = torch.randperm(len(full), generator=torch.Generator().manual_seed(1)).tolist()
    train_set = torch.utils.data.Subset(full, held[5000:])
    val_set = torch.utils.data.Subset(full, held[:5000])
    trainer = Trainer(Small())
    trainer.fit(
        DataLoader(train_set, batch_size=128, shuffle=True), DataLoader(val_set, batch_size=256)
    )


if __name__ == "__main__":
    main()
