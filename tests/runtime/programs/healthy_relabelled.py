"""One class against all others, balanced by weights; the data set keeps its ten classes."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler

torch.manual_seed(0)


class Threes(Dataset):
    def __init__(self):
        self.images, self.targets = digits().tensors

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.images[index], int(self.targets[index] == 3)


data = Threes()
binary = (data.targets == 3).long()
sampler = WeightedRandomSampler(1 / binary.bincount()[binary].double(), len(data))
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(data, batch_size=8, sampler=sampler)
for epoch in range(3):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
