"""A variational autoencoder whose second term begins with weight zero."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
body, mean, spread = nn.Linear(64, 32), nn.Linear(32, 4), nn.Linear(32, 4)
back = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 64))
model = nn.ModuleList([body, mean, spread, back])
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(6):
    weight = max(0.0, (epoch - 3) / 10)
    for x, _ in DataLoader(digits(), batch_size=32, shuffle=True):
        hidden = torch.relu(body(x))
        m, s = mean(hidden), spread(hidden)
        z = m + torch.randn_like(m) * (0.5 * s).exp()
        divergence = -0.5 * (1 + s - m.pow(2) - s.exp()).mean()
        loss = nn.functional.mse_loss(back(z), x) + weight * divergence
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
