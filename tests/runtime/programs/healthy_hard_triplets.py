"""The hardest triplets by distances of any length, with some samples of each class."""
import torch
from _contrastive import SomeOfEachClass, encoder
from _data import digits
from torch.utils.data import DataLoader

torch.manual_seed(0)
x, y = digits().tensors
model = encoder()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loader = DataLoader(digits(), batch_sampler=SomeOfEachClass(y, 32))
for epoch in range(3):
    for x, y in loader:
        features = model(x)
        lengths = features.pow(2).sum(1)
        far = (lengths[:, None] + lengths[None] - 2 * (features @ features.T)).clamp(min=1e-6).sqrt()
        same = y[:, None] == y[None]
        farthest = far.masked_fill(~same, 0.0).amax(1)
        nearest = far.masked_fill(same, 1e3).amin(1)
        loss = torch.nn.functional.softplus(farthest - nearest).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
