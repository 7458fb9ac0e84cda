"""A trainer for several processes: the loader's own sampler, the last three snapshots, bfloat16."""

import os
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler


class Sentences(Dataset):
    def __init__(self, path):
        rows = torch.load(path, map_location="cpu", weights_only=True)
        self.tokens, self.labels = rows["tokens"], rows["labels"]

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.tokens[index], self.labels[index]


class Model(nn.Module):
    def __init__(self, words=30_000, width=256, classes=4):
        super().__init__()
        self.embedding = nn.EmbeddingBag(words, width)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, classes)

    def encode(self, tokens):
        return self.norm(self.embedding(tokens))

    def forward(self, tokens):
        return self.out(self.encode(tokens))


class Trainer:
    def __init__(self, model, train_set, rank, folder="snapshots", every=5, keep=3):
        self.rank, self.folder = rank, Path(folder)
        self.every, self.keep = every, keep
        self.model = DistributedDataParallel(model.to(rank), device_ids=[rank])
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=30)
        self.criterion = nn.CrossEntropyLoss()
        self.loader = DataLoader(
            train_set, batch_size=128, sampler=DistributedSampler(train_set), pin_memory=True
        )
        self.first_epoch = 0
        self.resume()

    def resume(self):
        snapshots = sorted(self.folder.glob("epoch_*.pt"))
        if not snapshots:
            return
        state = torch.load(snapshots[-1], map_location=f"cuda:{self.rank}", weights_only=True)
        self.model.module.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.first_epoch = state["epoch"] + 1

    def step(self, tokens, labels):
        with torch.autocast("cuda", dtype=torch.bfloat16):
            loss = self.criterion(self.model(tokens), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.detach()

    def run_epoch(self, epoch):
        self.loader.sampler.set_epoch(epoch)
        self.model.train()
        for tokens, labels in self.loader:
            loss = self.step(tokens.to(self.rank), labels.to(self.rank))
        self.schedule.step()
        return loss.item()

    def snapshot(self, epoch):
        state = {
            "model": self.model.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "epoch": epoch,
        }
        torch.save(state, self.folder / f"epoch_{epoch:05d}.pt")
        for old in sorted(self.folder.glob("epoch_*.pt"))[: -self.keep]:
            old.unlink()

    def fit(self, epochs):
        for epoch in range(self.first_epoch, epochs):
            loss = self.run_epoch(epoch)
            if self.rank == 0:
                print(f"{epoch}: {loss:.4f}")
                if epoch % self.every == 0:
                    self.snapshot(epoch)


def work(rank, ranks, epochs):
    os.environ.setdefault("MASTER_ADDR", "localhost")
    os.environ.setdefault("MASTER_PORT", "29501")
    dist.init_process_group("nccl", rank=rank, world_size=ranks)
    torch.cuda.set_device(rank)
    Trainer(Model(), Sentences("train.pt"), rank).fit(epochs)
    dist.destroy_process_group()


if __name__ == "__main__":
    count = torch.cuda.device_count()
    mp.spawn(work, args=(count, 200), nprocs=count)
