"""A plain loop over small images: train, validate, keep the best weights, test once at the end."""

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset, random_split

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BEST = "best.pt"


class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(16 * 14 * 14, classes)

    def forward(self, x):
        x = self.features(x).flatten(1)
        return self.head(self.dropout(x))


def train_epoch(model, loader, optimizer):
    model.train()
    total = 0.0
    for images, labels in loader:
        images, labels = images.to(DEVICE), labels.to(DEVICE)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
    return total / len(loader.dataset)


@torch.no_grad()
def evaluate(model, loader):
    model.eval()
    total, correct = 0.0, 0
    for images, labels in loader:
        images, labels = images.to(DEVICE), labels.to(DEVICE)
        logits = model(images)
        total += F.cross_entropy(logits, labels, reduction="sum").item()
        correct += (logits.argmax(1) == labels).sum().item()
    return total / len(loader.dataset), correct / len(loader.dataset)


def main(epochs=3, batch_size=64):
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(1000, 1, 28, 28), torch.randint(0, 10, (1000,)))
    train_set, val_set, test_set = random_split(data, [700, 150, 150])
    train_loader = DataLoader(train_set, batch_size=batch_size, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=batch_size)
    test_loader = DataLoader(test_set, batch_size=batch_size)

    model = Net().to(DEVICE)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="min", patience=2)
    best = float("inf")
    for epoch in range(epochs):
        train_loss = train_epoch(model, train_loader, optimizer)
        val_loss, val_accuracy = evaluate(model, val_loader)
        scheduler.step(val_loss)
        print(f"{epoch}: train {train_loss:.4f} val {val_loss:.4f} {val_accuracy:.1%}")
        if val_loss < best:
            best = val_loss
            torch.save(model.state_dict(), BEST)

    model.load_state_dict(torch.load(BEST, map_location=DEVICE, weights_only=True))
    test_loss, test_accuracy = evaluate(model, test_loader)
    print(f"test {test_loss:.4f} {test_accuracy:.1%}")


if __name__ == "__main__":
    main()
