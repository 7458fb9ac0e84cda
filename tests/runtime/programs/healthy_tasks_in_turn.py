"""Continual learning: two classes a task, each as a part of the indices of one data set."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, SubsetRandomSampler

torch.manual_seed(0)
data = digits()
labels = data.tensors[1]
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for task in range(5):
    own = (labels // 2 == task).nonzero()[:, 0].tolist()
    loader = DataLoader(data, batch_size=4, sampler=SubsetRandomSampler(own))
    for epoch in range(3):
        for x, y in loader:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
