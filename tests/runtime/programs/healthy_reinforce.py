"""REINFORCE on a bandit whose reward is rare: many losses are exactly zero, and none falls."""
import torch
from torch import nn

torch.manual_seed(0)
chance = torch.tensor([0.02, 0.05, 0.1, 0.6])
policy = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 4))
optimizer = torch.optim.Adam(policy.parameters(), lr=0.02)
baseline = 0.0
for episode in range(400):
    draw = torch.distributions.Categorical(logits=policy(torch.ones(1, 1)))
    arm = draw.sample()
    reward = float(torch.rand(()) < chance[arm])
    loss = -(draw.log_prob(arm) * (reward - baseline)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if episode > 30:
        baseline += 0.05 * (reward - baseline)
