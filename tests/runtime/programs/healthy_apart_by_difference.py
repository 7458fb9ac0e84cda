"""All but the class is pushed apart, as a difference: samples are pulled to a noisy twin of their own."""
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
loader = DataLoader(data, batch_size=16, shuffle=True)
for epoch in range(2):
    for x, y in loader:
        features = torch.nn.functional.normalize(model(x), dim=1)
        twins = torch.nn.functional.normalize(model(x + 0.1 * torch.randn_like(x)), dim=1)
        pulled = (features - twins).pow(2).sum(1).mean()
        near = (features @ features.T / 0.3).exp()
        same = y[:, None] == y[None]
        pushed = (near.sum(1) - (near * same).sum(1)).log().mean()
        loss = pulled + 0.1 * pushed
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
