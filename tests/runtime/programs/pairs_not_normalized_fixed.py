"""Two views of each sample, compared by a cross entropy over their similarities, normalised."""
import torch
from _contrastive import encoder
from _data import digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
data = digits()
model = encoder()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loader = DataLoader(data, batch_size=32, shuffle=True, drop_last=True)
for epoch in range(3):
    for x, _ in loader:
        first = model(x + 0.1 * torch.randn_like(x))
        second = model(x + 0.1 * torch.randn_like(x))
        first = torch.nn.functional.normalize(first, dim=1)
        second = second / second.norm(dim=1, keepdim=True)
        logits = first @ second.T / 0.2
        loss = torch.nn.functional.cross_entropy(logits, torch.arange(len(x)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
