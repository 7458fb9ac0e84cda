"""A supervised contrastive loss and two ways to fill its batches."""
from __future__ import annotations

import torch
from torch import nn


def encoder() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))


def contrastive(features: torch.Tensor, labels: torch.Tensor, temperature: float = 0.2):
    features = nn.functional.normalize(features, dim=1)
    itself = torch.eye(len(labels), dtype=torch.bool)
    similar = (features @ features.T / temperature).masked_fill(itself, -1e9)
    log_p = similar - similar.logsumexp(dim=1, keepdim=True)
    positive = (labels[:, None] == labels[None]) & ~itself
    return -((log_p * positive).sum(1) / positive.sum(1).clamp(min=1)).mean()


class OneClassABatch:
    """Fills each batch from one class: meant to balance the classes."""

    def __init__(self, labels: torch.Tensor, size: int) -> None:
        self.labels, self.size = labels, size

    def __len__(self) -> int:
        return len(self.labels) // self.size

    def __iter__(self):
        for _ in range(len(self)):
            members = (self.labels == torch.randint(10, ())).nonzero()[:, 0]
            yield members[torch.randint(len(members), (self.size,))].tolist()


class SomeOfEachClass(OneClassABatch):
    """Eight classes a batch, some samples of each."""

    def __init__(self, labels: torch.Tensor, size: int, classes: int = 10) -> None:
        super().__init__(labels, size)
        self.classes = classes

    def __iter__(self):
        for _ in range(len(self)):
            batch = []
            for label in torch.randperm(self.classes)[:8]:
                members = (self.labels == label).nonzero()[:, 0]
                batch += members[torch.randint(len(members), (self.size // 8,))].tolist()
            yield batch
