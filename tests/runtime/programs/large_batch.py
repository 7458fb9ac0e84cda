"""A batch that is too large for the device; the device's part is played here."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
# raises: OutOfMemoryError
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def forward(x):
    if len(x) > 64:
        # expect: RUN010
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of "
            "7.79 GiB of which 1.12 GiB is free. Of the allocated memory 6.50 GiB is allocated "
            "by PyTorch, and 31.00 MiB is reserved by PyTorch but unallocated."
        )
    return model(x)


parts = 1
for number, (x, y) in enumerate(DataLoader(digits(), batch_size=128 // parts), start=1):
    (nn.functional.cross_entropy(forward(x), y) / parts).backward()
    if number % parts == 0:
        optimizer.step()
        optimizer.zero_grad()
