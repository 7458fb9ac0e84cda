"""A sampler of the program's own that draws what the model gets wrong more often."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader, Sampler

torch.manual_seed(0)
data = digits()
images, labels = data.tensors
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)


class Hard(Sampler):
    def __len__(self):
        return len(labels)

    def __iter__(self):
        with torch.no_grad():
            losses = nn.functional.nll_loss(
                model(images).log_softmax(dim=1), labels, reduction="none"
            )
        return iter(torch.multinomial(losses.softmax(dim=0), len(self), replacement=True).tolist())


loader = DataLoader(data, batch_size=4, sampler=Hard())
for epoch in range(3):
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
