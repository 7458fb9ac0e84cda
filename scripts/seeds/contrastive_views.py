"""Two views of an image attract each other: projections on the unit sphere, then a linear probe."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

TEMPERATURE = 0.2


class TwoViews:
    def __init__(self):
        self.transform = transforms.Compose(
            [transforms.RandomResizedCrop(32), transforms.ColorJitter(0.4), transforms.ToTensor()]
        )

    def __call__(self, image):
        return self.transform(image), self.transform(image)


class Encoder(nn.Module):
    def __init__(self, width=128, size=64):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, width, 5, stride=2),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.projector = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, size))

    def forward(self, images):
        projected = self.projector(self.trunk(images))
        return F.normalize(projected, dim=1)


class InfoNCE(nn.Module):
    def __init__(self, temperature):
        super().__init__()
        self.temperature = temperature

    def forward(self, first, second):
        both = torch.cat([first, second])
        similar = both @ both.T / self.temperature
        similar.fill_diagonal_(float("-inf"))
        count = len(first)
        partner = torch.arange(2 * count, device=first.device).roll(count)
        return F.cross_entropy(similar, partner)


def supervised(features, labels, temperature=TEMPERATURE):
    scores = torch.matmul(features, features.T) / temperature
    others = ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    same = (labels[:, None] == labels[None, :]) & others
    shares = scores - torch.logsumexp(scores.masked_fill(~others, -1e9), dim=1, keepdim=True)
    return -((shares * same).sum(1) / same.sum(1).clamp(min=1)).mean()


def pretrain(encoder, loader, optimizer, device):
    encoder.train()
    criterion = InfoNCE(TEMPERATURE)
    total = 0.0
    for (first, second), labels in loader:
        first, second, labels = first.to(device), second.to(device), labels.to(device)
        one, other = encoder(first), encoder(second)
        loss = criterion(one, other) + 0.1 * supervised(one, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


def probe(encoder, head, loader, optimizer, device):
    encoder.eval()
    head.train()
    for images, labels in loader:
        with torch.no_grad():
            features = encoder.trunk(images.to(device))
        loss = F.cross_entropy(head(features), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def main(root="data", epochs=100):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pairs = datasets.CIFAR10(root, train=True, transform=TwoViews())
    train_loader = DataLoader(pairs, batch_size=512, shuffle=True, drop_last=True)
    encoder = Encoder().to(device)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)
    for epoch in range(epochs):
        print(epoch, pretrain(encoder, train_loader, optimizer, device))
    torch.save(encoder.trunk.state_dict(), "trunk.pt")
    single = datasets.CIFAR10(root, train=True, transform=transforms.ToTensor())
    head = nn.Linear(128, 10).to(device)
    trainer = torch.optim.SGD(head.parameters(), lr=0.1)
    for _ in range(10):
        probe(encoder, head, DataLoader(single, batch_size=256, shuffle=True), trainer, device)


if __name__ == "__main__":
    main()
