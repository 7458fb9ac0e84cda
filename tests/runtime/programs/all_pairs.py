"""All pairs of all pairs of a batch are compared at once."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
# raises: RuntimeError
model = nn.Linear(64, 16)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for number, (x, y) in enumerate(DataLoader(digits(), batch_size=128)):
    features = model(x)
    distances = (features[:, None] - features[None]).pow(2).sum(2)
    if number == 3:
        # expect: RUN010
        wide = distances.reshape(-1).repeat(1 << 30)
        distances = wide
    loss = distances.mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
