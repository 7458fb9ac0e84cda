"""The same samples to train, select and test on; batches of one class; a file for each epoch."""
import tempfile

import torch
from _contrastive import OneClassABatch, contrastive, encoder
from _data import digits
from torch.utils.data import DataLoader, Subset

torch.manual_seed(0)
folder = tempfile.mkdtemp()
data = Subset(digits(), range(256))
labels = data.dataset.tensors[1][:256]
model = encoder()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
balanced = OneClassABatch(labels, 32)
train_loader = DataLoader(data, batch_sampler=balanced)  # expect: RUN013
# expect: LEK004
test_loader = DataLoader(data, batch_size=64)  # expect: LEK003
best = float("inf")
for epoch in range(22):
    for x, y in train_loader:
        loss = contrastive(model(x), y)
        optimizer.zero_grad()
        loss.backward()  # expect: RUN007
        optimizer.step()
    with torch.no_grad():
        measured = sum(float(contrastive(model(x), y)) for x, y in test_loader)
    torch.save(model.state_dict(), f"{folder}/epoch_{epoch}.pt")  # expect-info: RUN025
    if measured < best:
        best = measured
        torch.save(model.state_dict(), f"{folder}/best.pt")
