"""Images on several GPUs with torchrun: a sampler for each rank, resuming, whole files on disk."""

import argparse
import os
import random

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, DistributedSampler
from torchvision import datasets, transforms


def seed_all(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class Net(nn.Module):
    def __init__(self, classes, width=64):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 7, stride=4), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.head = nn.Linear(width, classes)

    def forward(self, images):
        return self.head(self.features(images).mean((2, 3)))


def blend(images, labels):
    """Each image with another one; the share is the same for a batch."""
    share = np.random.beta(0.4, 0.4)
    order = torch.randperm(len(images), device=images.device)
    return share * images + (1 - share) * images[order], labels[order], share


def train_epoch(model, loader, optimizer, scheduler, scaler, device):
    model.train()
    total = torch.zeros((), device=device)
    count = 0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        blended, others, share = blend(images, labels)
        with torch.autocast("cuda"):
            logits = model(blended)
            loss = share * F.cross_entropy(logits, labels)
            loss = loss + (1 - share) * F.cross_entropy(logits, others)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        total += loss.detach() * len(labels)
        count += len(labels)
    return (total / max(count, 1)).item()


@torch.no_grad()
def accuracy(model, loader, device):
    model.eval()
    hits = torch.zeros((), device=device)
    for images, labels in loader:
        hits += (model(images.to(device)).argmax(1) == labels.to(device)).sum()
    dist.all_reduce(hits)
    return hits.item() / len(loader.dataset)


def save(path, **state):
    torch.save(state, path + ".tmp")
    os.replace(path + ".tmp", path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("--epochs", type=int, default=90)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", default="")
    args = parser.parse_args()
    dist.init_process_group("nccl")
    rank = int(os.environ["LOCAL_RANK"])
    device = torch.device("cuda", rank)
    seed_all(args.seed + dist.get_rank())
    plain = transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()])
    train_set = datasets.ImageFolder(f"{args.root}/train", plain)
    val_set = datasets.ImageFolder(f"{args.root}/val", plain)
    train_sampler = DistributedSampler(train_set, seed=args.seed)
    val_sampler = DistributedSampler(val_set, shuffle=False)
    train_loader = DataLoader(train_set, args.batch_size, sampler=train_sampler, num_workers=8)
    val_loader = DataLoader(val_set, args.batch_size, sampler=val_sampler, num_workers=8)
    model = DDP(Net(len(train_set.classes)).to(device), device_ids=[rank])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, T_max=args.epochs * len(train_loader)
    )
    scaler = torch.amp.GradScaler("cuda")
    start_epoch = 0
    if args.resume:
        checkpoint = torch.load(args.resume, map_location=device, weights_only=True)
        model.module.load_state_dict(checkpoint["model"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        scheduler.load_state_dict(checkpoint["scheduler"])
        scaler.load_state_dict(checkpoint["scaler"])
        start_epoch = checkpoint["epoch"] + 1
    for epoch in range(start_epoch, args.epochs):
        train_sampler.set_epoch(epoch)
        loss = train_epoch(model, train_loader, optimizer, scheduler, scaler, device)
        score = accuracy(model.module, val_loader, device)
        if dist.get_rank() == 0:
            print(f"{epoch}: {loss:.3f} {score:.1%}")
            save(
                "last.pt",
                model=model.module.state_dict(),
                optimizer=optimizer.state_dict(),
                scheduler=scheduler.state_dict(),
                scaler=scaler.state_dict(),
                epoch=epoch,
            )
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
