"""A head on a frozen backbone whose values were loaded, with batch norm, then thawed."""
import copy

import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
trained = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU())
backbone = copy.deepcopy(trained)
backbone.load_state_dict(trained.state_dict())
head = nn.Linear(32, 10)
for parameter in backbone.parameters():
    parameter.requires_grad = False
optimizer = torch.optim.AdamW([{"params": head.parameters()}], lr=1e-2)
for epoch in range(4):
    if epoch == 2:
        for parameter in backbone.parameters():
            parameter.requires_grad = True
        optimizer.add_param_group({"params": backbone.parameters(), "lr": 1e-3})
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(head(backbone(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
