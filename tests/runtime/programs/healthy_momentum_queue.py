"""Two views, one by an averaged encoder, against a queue of earlier ones; classes play no part."""
import copy

import torch
from _contrastive import encoder
from _data import digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x, y = digits().tensors
fine = y * 6 + (x.mean(1).argsort().argsort() * 6 // len(x))
data = TensorDataset(x, fine)
model = encoder()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
slow = copy.deepcopy(model).requires_grad_(False)
queue = torch.nn.functional.normalize(torch.randn(256, 16), dim=1)
loader = DataLoader(data, batch_size=16, shuffle=True)
for epoch in range(3):
    for x, y in loader:
        query = torch.nn.functional.normalize(model(x + 0.1 * torch.randn_like(x)), dim=1)
        with torch.no_grad():
            for own, other in zip(slow.parameters(), model.parameters()):
                own.lerp_(other, 0.01)
            key = torch.nn.functional.normalize(slow(x + 0.1 * torch.randn_like(x)), dim=1)
        positive = (query * key).sum(1, keepdim=True)
        logits = torch.cat([positive, query @ queue.T], dim=1) / 0.2
        loss = torch.nn.functional.cross_entropy(logits, torch.zeros(len(x), dtype=torch.long))
        queue = torch.cat([key, queue])[:256]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
