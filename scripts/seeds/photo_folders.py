"""Photos in two views of one folder: random crops to train on, centre crops to validate on."""

import argparse

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, models, transforms


def make_loaders(root, batch_size, held_out=0.2):
    augment = transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
        ]
    )
    plain = transforms.Compose(
        [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor()]
    )
    varied = datasets.ImageFolder(root, transform=augment)
    steady = datasets.ImageFolder(root, transform=plain)
    order = torch.randperm(len(steady), generator=torch.Generator().manual_seed(0)).tolist()
    cut = int(len(order) * held_out)
    train_set = Subset(varied, order[cut:])
    val_set = Subset(steady, order[:cut])
    train_loader = DataLoader(train_set, batch_size=batch_size, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=batch_size)
    return train_loader, val_loader, steady.classes


class Photos(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.backbone = models.efficientnet_b0(weights="DEFAULT")
        self.backbone.classifier = nn.Identity()
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))
        for parameter in self.backbone.parameters():
            parameter.requires_grad = False

    def forward(self, images):
        return self.head(self.backbone(images))


def train_epoch(model, loader, optimizer, device):
    model.train()
    total = 0.0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


def validate(model, loader, device):
    model.eval()
    hits = 0
    with torch.inference_mode():
        for images, labels in loader:
            found = model(images.to(device)).argmax(dim=1).cpu()
            hits += (found == labels).sum().item()
    return hits / len(loader.dataset)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_loader, val_loader, names = make_loaders(args.root, args.batch_size)
    model = Photos(len(names)).to(device)
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-3)
    best = 0.0
    for epoch in range(args.epochs):
        if epoch == 5:
            for parameter in model.backbone.parameters():
                parameter.requires_grad = True
            optimizer.add_param_group({"params": model.backbone.parameters(), "lr": 1e-5})
        loss = train_epoch(model, train_loader, optimizer, device)
        score = validate(model, val_loader, device)
        print(f"{epoch}: {loss:.3f} {score:.1%}")
        if score > best:
            best = score
            state = {"model": model.state_dict(), "classes": names, "score": score}
            torch.save(state, "photos.pt")
    kept = torch.load("photos.pt", map_location=device, weights_only=True)
    model.load_state_dict(kept["model"])
    print("best", kept["score"], validate(model, val_loader, device))


if __name__ == "__main__":
    main()
