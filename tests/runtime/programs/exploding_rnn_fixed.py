"""The same with clipping and the small rate."""
import torch
from _data import sequences
from torch import nn

torch.manual_seed(0)
x, y = sequences()
rnn, head = nn.RNN(1, 24, nonlinearity="relu", batch_first=True), nn.Linear(24, 1)
parameters = [*rnn.parameters(), *head.parameters()]
optimizer = torch.optim.SGD(parameters, lr=0.002)
for step in range(140):
    index = torch.randperm(len(x))[:32]
    loss = (head(rnn(x[index])[0][:, -1]) - y[index]).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
