"""Images and captions in one space: two towers, a learned temperature, a symmetric loss."""

import math

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import models

from captions import Captions


class Towers(nn.Module):
    def __init__(self, words, size=256):
        super().__init__()
        self.vision = models.resnet18(weights=None, num_classes=size)
        self.embedding = nn.EmbeddingBag(words, 300)
        self.language = nn.Sequential(nn.Dropout(0.1), nn.Linear(300, size))
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, images, tokens):
        seen = functional.normalize(self.vision(images), dim=-1)
        told = functional.normalize(self.language(self.embedding(tokens)), dim=-1)
        return seen, told


def pair_loss(seen, told, scale):
    logits = scale * seen @ told.t()
    target = torch.arange(len(seen), device=seen.device)
    forth = functional.cross_entropy(logits, target)
    back = functional.cross_entropy(logits.t(), target)
    return (forth + back) / 2


def hardest(anchor, other, temperature=0.1):
    similar = torch.einsum("id,jd->ij", anchor, other) / temperature
    return -functional.log_softmax(similar, dim=1).diagonal().max()


def train_epoch(towers, loader, optimizer, device):
    towers.train()
    losses = []
    for images, tokens in loader:
        seen, told = towers(images.to(device), tokens.to(device))
        loss = pair_loss(seen, told, towers.log_scale.exp())
        loss = loss + 0.01 * hardest(seen, told)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


@torch.no_grad()
def recall_at_one(towers, loader, device):
    towers.eval()
    hits = total = 0
    for images, tokens in loader:
        seen, told = towers(images.to(device), tokens.to(device))
        found = (seen @ told.t()).argmax(dim=1).cpu()
        hits += (found == torch.arange(len(found))).sum().item()
        total += len(found)
    return hits / total


def main(root="captions", epochs=30):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_set, val_set = Captions(root, "train"), Captions(root, "val")
    train_loader = DataLoader(train_set, batch_size=256, shuffle=True, drop_last=True)
    val_loader = DataLoader(val_set, batch_size=256)
    towers = Towers(train_set.words).to(device)
    optimizer = torch.optim.AdamW(towers.parameters(), lr=5e-4, weight_decay=0.1)
    best = 0.0
    for epoch in range(epochs):
        loss = train_epoch(towers, train_loader, optimizer, device)
        recall = recall_at_one(towers, val_loader, device)
        print(f"{epoch}: {loss:.3f} {recall:.1%}")
        if recall > best:
            best = recall
            torch.save(towers.state_dict(), "towers.pt")


if __name__ == "__main__":
    main()
