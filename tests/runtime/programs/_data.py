"""Small real data and synthetic sequences for the programs."""
from __future__ import annotations

import numpy as np
import torch
from sklearn import datasets
from torch.utils.data import TensorDataset


def digits(count: int = 800) -> TensorDataset:
    data = datasets.load_digits()
    x = torch.from_numpy((data.data / 16.0).astype(np.float32))[:count]
    return TensorDataset(x, torch.from_numpy(data.target.astype(np.int64))[:count])


def iris() -> TensorDataset:
    data = datasets.load_iris()
    x = torch.from_numpy(data.data.astype(np.float32))
    return TensorDataset((x - x.mean(0)) / x.std(0), torch.from_numpy(data.target.astype(np.int64)))


def cancer() -> TensorDataset:
    data = datasets.load_breast_cancer()
    x = torch.from_numpy(data.data.astype(np.float32))
    x = (x - x.mean(0)) / x.std(0)
    return TensorDataset(x, torch.from_numpy(data.target.astype(np.int64)))


def sequences(count: int = 256, length: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Running sums of random steps, and the next value."""
    steps = torch.randn(count, length + 1, generator=torch.Generator().manual_seed(3)) * 0.3
    walk = steps.cumsum(1)
    return walk[:, :-1, None], walk[:, -1:]
