"""Two views of samples of many classes: the other view is the positive, whatever the class."""
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
        views = torch.cat([x + 0.1 * torch.randn_like(x), x + 0.1 * torch.randn_like(x)])
        features = torch.nn.functional.normalize(model(views), dim=1)
        itself = torch.eye(len(views), dtype=torch.bool)
        similar = (features @ features.T / 0.2).masked_fill(itself, -1e9)
        partner = torch.arange(len(views)).roll(len(x))
        loss = torch.nn.functional.cross_entropy(similar, partner)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
