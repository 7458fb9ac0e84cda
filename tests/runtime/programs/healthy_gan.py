"""A tiny GAN on digits: two losses that never settle, gradients of the generator's pass left in the other."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
make = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid())
judge = nn.Sequential(nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
of_make = torch.optim.Adam(make.parameters(), lr=2e-3, betas=(0.5, 0.999))
of_judge = torch.optim.Adam(judge.parameters(), lr=2e-3, betas=(0.5, 0.999))
bce = nn.BCEWithLogitsLoss()
for epoch in range(6):
    for x, _ in DataLoader(digits(), batch_size=32, shuffle=True):
        fake = make(torch.randn(len(x), 8))
        of_judge.zero_grad()
        real_loss = bce(judge(x), torch.ones(len(x), 1))
        fake_loss = bce(judge(fake.detach()), torch.zeros(len(x), 1))
        (real_loss + fake_loss).backward()
        of_judge.step()
        of_make.zero_grad()
        bce(judge(fake), torch.ones(len(x), 1)).backward()
        of_make.step()
