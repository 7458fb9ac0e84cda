"""A contrastive loss on batches that hold several classes."""
import torch
from _contrastive import SomeOfEachClass, contrastive, encoder
from _data import digits
from torch.utils.data import DataLoader

torch.manual_seed(0)
data = digits()
model = encoder()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(data, batch_sampler=SomeOfEachClass(data.tensors[1], 32))
for epoch in range(4):
    for x, y in loader:
        loss = contrastive(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
