"""The farthest sample of the same class against the nearest other one, with four of each class."""
import torch
from _contrastive import SomeOfEachClass, encoder
from _data import digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x, y = digits().tensors
fine = y * 6 + (x.mean(1).argsort().argsort() * 6 // len(x))
data = TensorDataset(x, fine)
model = encoder()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loader = DataLoader(data, batch_sampler=SomeOfEachClass(fine, 32, classes=60))
for epoch in range(2):
    for x, y in loader:
        features = torch.nn.functional.normalize(model(x), dim=1)
        far = torch.cdist(features, features)
        same = y[:, None] == y[None]
        farthest = (far * same).max(dim=1).values
        nearest = far.masked_fill(same, 9.0).min(dim=1).values
        loss = torch.relu(farthest - nearest + 0.3).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
