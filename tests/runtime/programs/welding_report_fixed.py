"""Three splits; batches of several classes with several samples of each; two files; a schedule."""
import tempfile

import torch
from _contrastive import SomeOfEachClass, contrastive, encoder
from _data import digits
from torch.utils.data import DataLoader, Subset

torch.manual_seed(0)
folder = tempfile.mkdtemp()
data = digits()
train_set, val_set, test_set = (Subset(data, range(a, a + 256)) for a in (0, 256, 512))
model = encoder()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=22)
balanced = SomeOfEachClass(data.tensors[1][:256], 32)
train_loader = DataLoader(train_set, batch_sampler=balanced)
val_loader = DataLoader(val_set, batch_size=64)
test_loader = DataLoader(test_set, batch_size=64)
best = float("inf")
for epoch in range(22):
    for x, y in train_loader:
        loss = contrastive(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    schedule.step()
    with torch.no_grad():
        measured = sum(float(contrastive(model(x), y)) for x, y in val_loader)
    torch.save(model.state_dict(), f"{folder}/last.pt")
    if measured < best:
        best = measured
        torch.save(model.state_dict(), f"{folder}/best.pt")
with torch.no_grad():
    tested = sum(float(contrastive(model(x), y)) for x, y in test_loader)
