"""A supervised contrastive loss on small batches of many classes."""
import torch
from _contrastive import contrastive, encoder
from _data import digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x, y = digits().tensors
fine = y * 6 + (x.mean(1).argsort().argsort() * 6 // len(x))
data = TensorDataset(x, fine)
model = encoder()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(data, batch_size=8, shuffle=True)
for epoch in range(2):
    for x, y in loader:
        loss = contrastive(model(x), y)
        optimizer.zero_grad()
        loss.backward()  # expect: RUN015
        optimizer.step()
