"""A small GAN: two models, two optimizers, one criterion on logits."""

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset

LATENT = 16
device = "cuda" if torch.cuda.is_available() else "cpu"


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(LATENT, 64),
            nn.LeakyReLU(0.2),
            nn.Linear(64, 64),
            nn.BatchNorm1d(64),
            nn.LeakyReLU(0.2),
            nn.Linear(64, 28 * 28),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.net(z).view(-1, 1, 28, 28)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(28 * 28, 64),
            nn.LeakyReLU(0.2),
            nn.Dropout(0.3),
            nn.Linear(64, 1),
        )

    def forward(self, image):
        return self.net(image)


generator = Generator().to(device)
discriminator = Discriminator().to(device)
criterion = nn.BCEWithLogitsLoss()
optimizer_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
schedule_g = LambdaLR(optimizer_g, lr_lambda=lambda epoch: 0.98**epoch)
schedule_d = LambdaLR(optimizer_d, lr_lambda=lambda epoch: 0.98**epoch)
images = torch.rand(512, 1, 28, 28) * 2 - 1
loader = DataLoader(TensorDataset(images), batch_size=64, shuffle=True)

for epoch in range(2):
    sum_g = sum_d = 0.0
    for (real,) in loader:
        real = real.to(device)
        ones = torch.ones(len(real), 1, device=device)
        zeros = torch.zeros(len(real), 1, device=device)

        optimizer_d.zero_grad()
        fake = generator(torch.randn(len(real), LATENT, device=device))
        real_loss = criterion(discriminator(real), ones)
        fake_loss = criterion(discriminator(fake.detach()), zeros)
        loss_d = (real_loss + fake_loss) / 2
        loss_d.backward()
        optimizer_d.step()

        optimizer_g.zero_grad()
        loss_g = criterion(discriminator(fake), ones)
        loss_g.backward()
        optimizer_g.step()

        sum_d += loss_d.item()
        sum_g += loss_g.item()
    schedule_g.step()
    schedule_d.step()
    print(f"{epoch}: generator {sum_g / len(loader):.3f} discriminator {sum_d / len(loader):.3f}")
    torch.save(generator.state_dict(), "generator.pt")
