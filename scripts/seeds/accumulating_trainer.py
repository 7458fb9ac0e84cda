"""A trainer that accumulates: the update is decided by a flag, and the tail counts as an update."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Regressor(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, 64), nn.BatchNorm1d(64), nn.SiLU(), nn.Dropout(0.1)
        )
        self.output = nn.Linear(64, 1)

    def forward(self, x):
        return self.output(self.layers(x))


class AccumulatingTrainer:
    def __init__(self, model, config):
        self.model = model
        self.accumulation = config.get("accumulation", 4)
        self.clip = config.get("clip", 1.0)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=config["lr"])
        self.scheduler = torch.optim.lr_scheduler.ConstantLR(self.optimizer, factor=0.5)
        self.loss_fn = nn.SmoothL1Loss()
        self.updates = 0

    def train_epoch(self, loader):
        self.model.train()
        total = torch.zeros(())
        self.optimizer.zero_grad()
        for index, (inputs, targets) in enumerate(loader):
            loss = self.loss_fn(self.model(inputs), targets)
            scaled = loss / self.accumulation
            scaled.backward()
            total += loss.detach()
            is_update = (index + 1) % self.accumulation == 0 or index + 1 == len(loader)
            if is_update:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
                self.optimizer.step()
                self.optimizer.zero_grad()
                self.updates += 1
        self.scheduler.step()
        return (total / len(loader)).item()

    def evaluate(self, loader):
        self.model.eval()
        errors = []
        with torch.no_grad():
            for inputs, targets in loader:
                errors.append((self.model(inputs) - targets).abs().mean())
        return torch.stack(errors).mean().item()


def main():
    torch.manual_seed(1)
    inputs = torch.randn(500, 6)
    targets = inputs.sum(dim=1, keepdim=True)
    train_loader = DataLoader(
        TensorDataset(inputs[:400], targets[:400]), batch_size=16, shuffle=True, drop_last=True
    )
    valid_loader = DataLoader(TensorDataset(inputs[400:], targets[400:]), batch_size=50)
    trainer = AccumulatingTrainer(Regressor(6), {"lr": 1e-2, "accumulation": 3})
    for epoch in range(3):
        loss = trainer.train_epoch(train_loader)
        print(f"{epoch}: {loss:.4f} {trainer.evaluate(valid_loader):.4f}")


if __name__ == "__main__":
    main()
