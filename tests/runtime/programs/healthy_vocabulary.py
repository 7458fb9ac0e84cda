"""A vocabulary of which the text uses a part, and padding that the loss ignores."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

tokens = torch.randint(3, 40, (300, 9)).sort(1).values
lengths = torch.randint(4, 10, (300, 1))
tokens[torch.arange(9) >= lengths] = 0
train_set, val_set = TensorDataset(tokens[:250] % 30), TensorDataset(tokens[250:])
table, rnn, head = nn.Embedding(64, 16), nn.GRU(16, 32, batch_first=True), nn.Linear(32, 64)
model = nn.ModuleList([table, rnn, head])
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)


def loss_of(x):
    logits = head(rnn(table(x[:, :-1]))[0])
    return nn.functional.cross_entropy(logits.flatten(0, 1), x[:, 1:].flatten(), ignore_index=0)


train_loader = DataLoader(train_set, batch_size=25, shuffle=True)
val_loader = DataLoader(val_set, batch_size=25)
for epoch in range(6):
    for (x,) in train_loader:
        loss = loss_of(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        held_out = sum(loss_of(x) for (x,) in val_loader) / 2
