"""A supervised contrastive loss on bare cosines, with four of each class in a batch."""
import torch
from _contrastive import SomeOfEachClass, encoder
from _data import digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x, y = digits().tensors
fine = y * 6 + (x.mean(1).argsort().argsort() * 6 // len(x))
data = TensorDataset(x, fine)
model = encoder()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loader = DataLoader(data, batch_sampler=SomeOfEachClass(fine, 32, classes=60))
for epoch in range(2):
    for x, y in loader:
        size, others = len(x), ~torch.eye(len(x), dtype=torch.bool)
        features = torch.nn.functional.normalize(model(x), dim=1)
        similar = (features @ features.T)[others].view(size, size - 1)
        same = (y[:, None] == y[None])[others].view(size, size - 1).float()
        log_p = torch.log_softmax(similar, dim=1)
        loss = -((log_p * same).sum(1) / same.sum(1).clamp(min=1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
