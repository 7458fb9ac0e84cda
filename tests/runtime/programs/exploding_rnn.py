"""A recurrent network whose rate grows from epoch to epoch, without clipping."""
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
    if step == 60:
        optimizer.param_groups[0]["lr"] = 1.5
    if not loss < 1e12:
        break
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()  # expect: RUN002
