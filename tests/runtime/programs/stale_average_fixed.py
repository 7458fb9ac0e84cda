"""A decay below one."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
train, held_out = torch.utils.data.random_split(digits(), [600, 200])
model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
decay = torch.optim.swa_utils.get_ema_multi_avg_fn(0.98)
average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=decay)
average.update_parameters(model)
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=20)


def evaluate(judged):
    judged.eval()
    total = 0.0
    with torch.no_grad():
        for x, y in DataLoader(held_out, batch_size=64):
            loss = nn.functional.cross_entropy(judged(x), y, reduction="sum")
            total += loss.item()
    judged.train()
    return total / len(held_out)

for epoch in range(6):
    for x, y in DataLoader(train, batch_size=32, shuffle=True):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
    plateau.step(evaluate(average))
