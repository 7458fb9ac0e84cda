"""A rate at which the loss stays where it is, and no schedule."""
import torch
from _data import sequences
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
x, y = sequences()
data = torch.utils.data.TensorDataset(x[:, :, 0], y)
model = nn.Linear(12, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
for epoch in range(16):
    for a, b in DataLoader(data, batch_size=16, shuffle=True):
        loss = (model(a) - b - 0.5 * torch.randn(len(b), 1)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()  # expect-info: RUN008
        optimizer.step()
    schedule.step()
