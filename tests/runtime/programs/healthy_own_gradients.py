"""Gradients that the program computes and puts in place by itself, and one group at rate zero."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
body, head = nn.Linear(64, 32), nn.Linear(32, 10)
groups = [{"params": body.parameters(), "lr": 0.0}, {"params": head.parameters()}]
optimizer = torch.optim.SGD(groups, lr=0.1)
parameters = [*body.parameters(), *head.parameters()]
for epoch in range(3):
    for x, y in DataLoader(digits(), batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(head(torch.tanh(body(x))), y)
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
            parameter.grad = gradient
        optimizer.step()
