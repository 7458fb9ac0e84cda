"""A sparse embedding, of which each step moves a few rows, beside a dense head."""
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
tokens = torch.randint(0, 3000, (512, 6))
label = (tokens.sum(1) % 2).long()
table, head = nn.Embedding(5000, 8, sparse=True), nn.Linear(8, 2)
sparse = torch.optim.SparseAdam(list(table.parameters()), lr=1e-2)
dense = torch.optim.AdamW(head.parameters(), lr=1e-2)
for epoch in range(8):
    for x, y in DataLoader(TensorDataset(tokens, label), batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(head(table(x).mean(1)), y)
        sparse.zero_grad()
        dense.zero_grad()
        loss.backward()
        sparse.step()
        dense.step()
