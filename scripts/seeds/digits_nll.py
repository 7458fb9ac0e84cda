"""Digits by logarithms of probabilities: log-softmax at the end of the network, NLL as the loss."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, SubsetRandomSampler
from torchvision import datasets, transforms


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 5)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(16 * 12 * 12, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        x = self.fc(self.drop(x.flatten(1)))
        return F.log_softmax(x, dim=1)


def make_loaders(root, held_out=10_000):
    data = datasets.MNIST(root, train=True, transform=transforms.ToTensor(), download=True)
    indices = torch.randperm(len(data)).tolist()
    train_sampler = SubsetRandomSampler(indices[held_out:])
    valid_sampler = SubsetRandomSampler(indices[:held_out])
    train_loader = DataLoader(data, batch_size=64, sampler=train_sampler)
    valid_loader = DataLoader(data, batch_size=256, sampler=valid_sampler)
    return train_loader, valid_loader


def train(model, loader, optimizer, device):
    model.train()
    for data, target in loader:
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()


def test(model, loader, device):
    model.eval()
    loss, correct, count = 0.0, 0, 0
    with torch.no_grad():
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            loss += F.nll_loss(output, target, reduction="sum").item()
            correct += (output.argmax(dim=1) == target).sum().item()
            count += len(target)
    return loss / count, correct / count


def main(root="data", epochs=14):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_loader, valid_loader = make_loaders(root)
    model = Digits().to(device)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    for epoch in range(epochs):
        train(model, train_loader, optimizer, device)
        loss, accuracy = test(model, valid_loader, device)
        scheduler.step()
        print(f"{epoch}: {loss:.4f} {accuracy:.1%}")
    torch.save(model.state_dict(), "digits.pt")


if __name__ == "__main__":
    main()
