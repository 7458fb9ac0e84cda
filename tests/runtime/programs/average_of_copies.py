"""The average is written to copies of its parameters, so that it stays what it was."""
import copy

import torch
from _data import cancer
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
train, held_out = torch.utils.data.random_split(cancer(), [400, 169])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(30, 16), nn.Linear(16, 2)

    def forward(self, x):
        return self.out(self.hidden(x).tanh())


class Average:
    def __init__(self, model, decay):
        self.model, self.decay = copy.deepcopy(model).eval(), decay

    def update(self, model):
        with torch.no_grad():
            for kept, new in zip([p.clone() for p in self.model.parameters()], model.parameters()):
                kept.lerp_(new, 1 - self.decay)


model = Net()
average = Average(model, decay=0.98)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
best = float("inf")
for epoch in range(8):
    for x, y in DataLoader(train, batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update(model)
    squares = 0.0
    with torch.no_grad():
        for x, y in DataLoader(held_out, batch_size=64):  # expect: RUN009
            wanted = torch.eye(2)[y]
            squares += (average.model(x).softmax(dim=1) - wanted).pow(2).sum().item()
    best = min(best, squares / len(held_out))
