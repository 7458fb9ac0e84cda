"""A contrastive loss on batches that hold one class each."""
import torch
from _contrastive import OneClassABatch, contrastive, encoder
from _data import digits
from torch.utils.data import DataLoader

torch.manual_seed(0)
data = digits()
model = encoder()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loader = DataLoader(data, batch_sampler=OneClassABatch(data.tensors[1], 32))  # expect: RUN013
for epoch in range(4):
    for x, y in loader:
        loss = contrastive(model(x), y)
        optimizer.zero_grad()
        loss.backward()  # expect: RUN007
        optimizer.step()
