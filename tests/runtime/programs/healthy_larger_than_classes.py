"""A supervised contrastive loss on shuffled batches that are larger than the classes are many."""
import torch
from _contrastive import contrastive, encoder
from _data import digits
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = encoder()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(digits(), batch_size=32, shuffle=True)
for epoch in range(4):
    for x, y in loader:
        loss = contrastive(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
