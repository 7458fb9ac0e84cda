"""Transfer learning on CIFAR-10: a validation part of the training set, the test set once."""

import copy
import logging

import torch
from sklearn.metrics import confusion_matrix
from torch import nn
from torch.utils.data import DataLoader, random_split
from torchvision import datasets, models, transforms
from tqdm import tqdm

logger = logging.getLogger("transfer")
MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)


def get_loaders(root, batch_size):
    plain = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    full = datasets.CIFAR10(root, train=True, transform=plain, download=True)
    test_set = datasets.CIFAR10(root, train=False, transform=plain, download=True)
    train_set, val_set = random_split(
        full, [45_000, 5_000], generator=torch.Generator().manual_seed(0)
    )
    train_loader = DataLoader(train_set, batch_size=batch_size, shuffle=True, num_workers=2)
    val_loader = DataLoader(val_set, batch_size=batch_size, num_workers=2)
    test_loader = DataLoader(test_set, batch_size=batch_size, num_workers=2)
    return train_loader, val_loader, test_loader


def get_model(weights_path):
    model = models.resnet18(weights=None)
    model.load_state_dict(torch.load(weights_path, map_location="cpu", weights_only=True))
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.fc = nn.Linear(model.fc.in_features, 10)
    return model


def train_model(model, train_loader, val_loader, device, epochs=10):
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.fc.parameters(), lr=0.01, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.1, epochs=epochs, steps_per_epoch=len(train_loader)
    )
    best_accuracy, best_weights = 0.0, copy.deepcopy(model.state_dict())
    for epoch in range(epochs):
        model.train()
        train_loss = 0.0
        for images, labels in tqdm(train_loader):
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            outputs = model(images)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            scheduler.step()
            train_loss += loss.item()

        model.eval()
        correct = total = 0
        with torch.no_grad():
            for images, labels in val_loader:
                outputs = model(images.to(device))
                correct += (outputs.argmax(1).cpu() == labels).sum().item()
                total += labels.size(0)
        accuracy = correct / total
        logger.info("%d %.3f %.3f", epoch, train_loss / len(train_loader), accuracy)
        if accuracy > best_accuracy:
            best_accuracy = accuracy
            best_weights = copy.deepcopy(model.state_dict())
    model.load_state_dict(best_weights)
    return model


def test_model(model, test_loader, device):
    model.eval()
    truth, found = [], []
    with torch.no_grad():
        for images, labels in test_loader:
            truth += labels.tolist()
            found += model(images.to(device)).argmax(1).tolist()
    matrix = confusion_matrix(truth, found, labels=list(range(10)))
    return matrix.diagonal() / matrix.sum(axis=1)


def main(root="data", weights="resnet18.pth"):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_loader, val_loader, test_loader = get_loaders(root, 128)
    model = get_model(weights).to(device)
    model = train_model(model, train_loader, val_loader, device)
    for name, recall in zip(datasets.CIFAR10.classes, test_model(model, test_loader, device)):
        print(f"{name}: {recall:.1%}")


if __name__ == "__main__":
    main()
