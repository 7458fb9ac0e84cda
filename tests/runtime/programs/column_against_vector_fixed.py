"""Both are vectors."""
import torch
from _data import cancer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x, _ = cancer().tensors
data = TensorDataset(x[:, :29], x[:, 29])
model = nn.Linear(29, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(3):
    for x, wanted in DataLoader(data, batch_size=32, shuffle=True):
        loss = nn.functional.mse_loss(model(x).squeeze(1), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
