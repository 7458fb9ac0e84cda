"""Two heads under one autocast: ages as classes, smiles as a binary target."""

import torch
from torch import amp, nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts
from torch.utils.data import DataLoader, TensorDataset


class Faces(nn.Module):
    def __init__(self, ages=8):
        super().__init__()
        self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 256), nn.ReLU())
        self.dropout = nn.Dropout(0.4)
        self.age = nn.Linear(256, ages)
        self.smile = nn.Linear(256, 1)

    def forward(self, images):
        features = self.dropout(self.backbone(images))
        return self.age(features), self.smile(features)


class MultiTask:
    def __init__(self, model, device, weights=(1.0, 0.5)):
        self.model, self.device, self.weights = model, device, weights
        self.age_loss = nn.CrossEntropyLoss()
        self.smile_loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(2.0, device=device))
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        self.schedule = CosineAnnealingWarmRestarts(self.optimizer, T_0=5)
        self.scaler = amp.GradScaler("cuda")

    def losses(self, batch):
        images, ages, smiles = (part.to(self.device) for part in batch)
        age, smile = self.model(images)
        first = self.age_loss(age, ages)
        second = self.smile_loss(smile.squeeze(1), smiles)
        return self.weights[0] * first + self.weights[1] * second

    def train(self, loader):
        self.model.train()
        total = 0.0
        for batch in loader:
            self.optimizer.zero_grad()
            with amp.autocast("cuda", dtype=torch.float16):
                loss = self.losses(batch)
            self.scaler.scale(loss).backward()
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_value_(self.model.parameters(), 0.5)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            total += loss.detach().item()
        self.schedule.step()
        return total / len(loader)

    def validate(self, loader):
        self.model.eval()
        total = 0.0
        with torch.no_grad(), amp.autocast("cuda"):
            for batch in loader:
                total += self.losses(batch).item()
        return total / len(loader)


def faces(rows):
    images = torch.rand(rows, 3, 32, 32)
    return TensorDataset(images, torch.randint(0, 8, (rows,)), torch.randint(0, 2, (rows,)).float())


def run(epochs=5):
    device = torch.device("cuda")
    train_loader = DataLoader(faces(512), batch_size=64, shuffle=True)
    valid_loader = DataLoader(faces(128), batch_size=64)
    model = Faces().to(device)
    backbone = torch.load("faces_backbone.pth", device)
    model.backbone.load_state_dict(backbone)
    task = MultiTask(model, device)
    best = float("inf")
    for epoch in range(epochs):
        train_loss = task.train(train_loader)
        valid_loss = task.validate(valid_loader)
        print(epoch, train_loss, valid_loss)
        if valid_loss < best:
            best = valid_loss
            torch.save(model.state_dict(), "faces.pth")


if __name__ == "__main__":
    run()
