"""A supervised contrastive loss on features of any length."""
import torch
from _contrastive import SomeOfEachClass, encoder
from _data import digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
data = digits()
model = encoder()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loader = DataLoader(data, batch_sampler=SomeOfEachClass(data.tensors[1], 32))
itself = torch.eye(32, dtype=torch.bool)
for epoch in range(3):
    for x, y in loader:
        features = model(x)
        similar = torch.div(torch.matmul(features, features.T), 0.2)
        similar = similar - similar.max(dim=1, keepdim=True).values.detach()
        others = (similar.exp() * ~itself).sum(1, keepdim=True)
        log_p = similar - torch.log(others)
        positive = (y[:, None] == y[None]) & ~itself
        loss = -((log_p * positive).sum(1) / positive.sum(1)).mean()
        optimizer.zero_grad()
        loss.backward()  # expect: RUN016
        optimizer.step()
