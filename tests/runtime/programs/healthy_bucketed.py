"""Sequences in batches of one length: the lengths are all alike, and no labels."""
import torch
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
sizes = torch.arange(4, 12).repeat_interleave(16)
texts = [torch.randint(1, 20, (int(size),)).sort().values for size in sizes]


class Bucketed:
    def __len__(self):
        return len(texts) // 16

    def __iter__(self):
        for start in torch.randperm(len(self)):
            yield list(range(int(start) * 16, int(start) * 16 + 16))


def collate(batch):
    return torch.stack(batch), torch.tensor([len(one) for one in batch])


table, rnn, head = nn.Embedding(20, 16), nn.GRU(16, 32, batch_first=True), nn.Linear(32, 20)
parameters = [*table.parameters(), *rnn.parameters(), *head.parameters()]
optimizer = torch.optim.Adam(parameters, lr=1e-2)
loader = DataLoader(texts, batch_sampler=Bucketed(), collate_fn=collate)
for epoch in range(12):
    for x, lengths in loader:
        logits = head(rnn(table(x[:, :-1]))[0])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), x[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
