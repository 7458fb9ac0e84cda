"""Batches of a few classes, with as many samples of each, as metric learning has them."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)

data = digits()
labels = data.tensors[1]


class FewClasses:
    def __len__(self):
        return 40

    def __iter__(self):
        for _ in range(40):
            batch = []
            for label in torch.randperm(10)[:3]:
                members = (labels == label).nonzero()[:, 0]
                batch += members[torch.randperm(len(members))[:8]].tolist()
            yield batch


model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(data, batch_sampler=FewClasses())
for epoch in range(3):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
