"""A trainer that divides by the size of each window, and a one-cycle schedule over its updates."""

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, Dataset


class Reviews(Dataset):
    def __init__(self, path, train):
        rows = torch.load(path, map_location="cpu", weights_only=True)
        part = rows["train"] if train else rows["valid"]
        self.words, self.stars = part["words"], part["stars"]

    def __len__(self):
        return len(self.stars)

    def __getitem__(self, index):
        return self.words[index], self.stars[index]


class Stars(nn.Module):
    def __init__(self, words=20_000, width=128):
        super().__init__()
        self.words = nn.EmbeddingBag(words, width)
        self.layers = nn.Sequential(nn.Dropout(0.2), nn.Linear(width, 5))

    def forward(self, words):
        return self.layers(self.words(words))


class Accumulator:
    def __init__(self, model, loader, epochs, window=8):
        self.model, self.loader, self.window = model, loader, window
        self.loss_fn = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        self.total_updates = epochs * ((len(loader) + window - 1) // window)
        self.schedule = OneCycleLR(self.optimizer, max_lr=4e-3, total_steps=self.total_updates)

    def held(self, index):
        first = index - index % self.window
        return min(self.window, len(self.loader) - first)

    def update(self):
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)

    def run_epoch(self):
        self.model.train()
        total, rows = 0.0, 0
        for index, (words, stars) in enumerate(self.loader):
            loss = self.loss_fn(self.model(words), stars)
            scaled = loss / self.held(index)
            scaled.backward()
            total += loss.item() * len(stars)
            rows += len(stars)
            if (index + 1) % self.window == 0 or index + 1 == len(self.loader):
                self.update()
        return total / max(rows, 1)

    def validate(self, loader):
        self.model.eval()
        hits = 0
        with torch.no_grad():
            for words, stars in loader:
                hits += (self.model(words).argmax(1) == stars).sum().item()
        return hits / len(loader.dataset)


def main(path="reviews.pt", epochs=12):
    train_loader = DataLoader(Reviews(path, True), batch_size=32, shuffle=True)
    valid_loader = DataLoader(Reviews(path, False), batch_size=128)
    trainer = Accumulator(Stars(), train_loader, epochs)
    for epoch in range(epochs):
        print(epoch, trainer.run_epoch(), trainer.validate(valid_loader))
    torch.save(trainer.model.state_dict(), "stars.pt")


if __name__ == "__main__":
    main()
