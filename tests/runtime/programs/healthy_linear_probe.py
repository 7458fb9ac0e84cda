"""A head on a loaded backbone that no optimizer holds, though nobody froze it."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
backbone = nn.Sequential(nn.Linear(64, 32), nn.ReLU())
backbone.load_state_dict({name: value + 0.01 for name, value in backbone.state_dict().items()})
head = nn.Linear(32, 10)
optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
for epoch in range(2):
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(head(backbone(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()  # expect-info: RUN011
