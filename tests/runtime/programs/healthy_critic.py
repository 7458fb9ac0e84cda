"""A critic that steps five times for each step of the generator, with weights clipped by hand."""
import torch
from _data import digits
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(0)
make = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid())
critic = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
of_make = torch.optim.RMSprop(make.parameters(), lr=1e-3)
of_critic = torch.optim.RMSprop(critic.parameters(), lr=1e-3)
step = 0
for epoch in range(8):
    for x, _ in DataLoader(digits(), batch_size=32, shuffle=True):
        step += 1
        of_critic.zero_grad()
        loss = critic(make(torch.randn(len(x), 8)).detach()).mean() - critic(x).mean()
        loss.backward()
        of_critic.step()
        with torch.no_grad():
            for parameter in critic.parameters():
                parameter.clamp_(-0.05, 0.05)
        if step % 5 == 0:
            of_make.zero_grad()
            (-critic(make(torch.randn(32, 8))).mean()).backward()
            of_make.step()
