"""A small language model on chunks of long texts: bfloat16, a warmup counted in updates."""

import os
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.checkpoint import checkpoint
from transformers import get_cosine_schedule_with_warmup

CONTEXT, ACCUMULATE, EPOCHS = 256, 4, 10


class Chunks(Dataset):
    def __init__(self, folder, rows):
        self.folder, self.rows = folder, rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        tokens = np.load(os.path.join(self.folder, self.rows[index]))
        if len(tokens) <= CONTEXT:
            tokens = np.pad(tokens, (0, CONTEXT + 1 - len(tokens)))
        begin = random.randint(0, len(tokens) - CONTEXT - 1)
        piece = torch.from_numpy(tokens[begin : begin + CONTEXT + 1].astype(np.int64))
        return piece[:-1], piece[1:]


class Language(nn.Module):
    def __init__(self, words=8192, width=256, layers=4):
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, batch_first=True) for _ in range(layers)
        )
        self.out = nn.Linear(width, words)
        nn.init.xavier_uniform_(self.out.weight)

    def forward(self, tokens):
        mask = nn.Transformer.generate_square_subsequent_mask(tokens.shape[1]).to(tokens.device)
        states = self.embedding(tokens)
        for layer in self.layers:
            states = checkpoint(layer, states, mask, use_reentrant=False)
        return self.out(states)


def window_size(index, batches):
    """How many batches are in the window to which a batch belongs."""
    return min(ACCUMULATE, batches - index + index % ACCUMULATE)


def train_epoch(model, loader, optimizer, scheduler, device):
    model.train()
    total = torch.zeros((), device=device)
    rows = 0
    optimizer.zero_grad()
    for index, (tokens, targets) in enumerate(loader):
        tokens, targets = tokens.to(device), targets.to(device)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
        (loss / window_size(index, len(loader))).backward()
        if (index + 1) % ACCUMULATE == 0 or index + 1 == len(loader):
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
        total += loss.detach() * len(tokens)
        rows += len(tokens)
    return (total / max(rows, 1)).item()


def main(folder="texts"):
    torch.manual_seed(0)
    random.seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = sorted(os.listdir(folder))
    random.shuffle(rows)
    loader = DataLoader(Chunks(folder, rows), batch_size=16, shuffle=True, num_workers=4)
    model = Language().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    updates = -(-len(loader) // ACCUMULATE) * EPOCHS
    scheduler = get_cosine_schedule_with_warmup(
        optimizer, num_warmup_steps=100, num_training_steps=updates
    )
    for epoch in range(EPOCHS):
        print(epoch, train_epoch(model, loader, optimizer, scheduler, device))
    torch.save(model.state_dict(), "language.pt")


if __name__ == "__main__":
    main()
