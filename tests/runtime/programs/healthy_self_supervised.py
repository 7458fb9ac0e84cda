"""Contrastive learning without labels, on two noisy views of each sample."""
import torch
from _contrastive import contrastive, encoder
from _data import digits
from torch.utils.data import DataLoader

torch.manual_seed(0)
model = encoder()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for epoch in range(4):
    for x, _ in DataLoader(digits(), batch_size=32, shuffle=True):
        views = torch.cat([x + 0.1 * torch.randn_like(x), x + 0.1 * torch.randn_like(x)])
        loss = contrastive(model(views), torch.arange(len(x)).repeat(2))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
