"""LBFGS on the whole data: several evaluations a step, and a loss that stops changing."""
import torch
from _data import iris
from torch import nn

torch.manual_seed(0)
x, y = iris().tensors
model = nn.Linear(4, 3)
optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=10, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y) + 1e-3 * model.weight.pow(2).sum()
    loss.backward()
    return loss


for step in range(60):
    optimizer.step(closure)
