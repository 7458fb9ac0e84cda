"""A sampler that takes two samples of each class, for a loss that needs two."""
import torch
from _contrastive import encoder
from _data import digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
data = digits()
labels = data.tensors[1]
members = [(labels == label).nonzero()[:, 0].tolist() for label in range(10)]
orders = [[own[(i + k) % len(own)] for own in members for k in range(2)] for i in range(60)]
model = encoder()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(data, batch_sampler=orders)
itself = torch.eye(20, dtype=torch.bool)
for epoch in range(2):
    for x, y in loader:
        features = torch.nn.functional.normalize(model(x), dim=1)
        similar = (features @ features.T / 0.1).masked_fill(itself, -1e9)
        log_p = torch.log_softmax(similar, dim=1)
        positive = ((y[:, None] == y[None]) & ~itself).float()
        pulled = (positive * log_p).sum(1) / (positive.sum(1) + 1e-6)
        loss = -pulled.mean() + 1e-3 * model(x).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
