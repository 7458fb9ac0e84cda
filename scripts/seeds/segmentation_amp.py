"""Binary segmentation: mixed precision, accumulation with a flushed tail, dice beside BCE."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.amp import GradScaler, autocast
from torch.utils.data import DataLoader, Dataset

ACCUMULATE = 4


class Masks(Dataset):
    def __init__(self, root, names):
        self.root, self.names = Path(root), names

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        name = self.names[index]
        image = np.asarray(Image.open(self.root / "images" / name).convert("RGB"))
        mask = np.asarray(Image.open(self.root / "masks" / name).convert("L"))
        image = torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255
        return image, torch.from_numpy(mask.copy()).float()[None] / 255


def block(channels_in, channels_out):
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    )


class SmallUNet(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.down = block(3, width)
        self.middle = block(width, width * 2)
        self.up = nn.ConvTranspose2d(width * 2, width, 2, stride=2)
        self.out = nn.Conv2d(width * 2, 1, 1)

    def forward(self, x):
        skip = self.down(x)
        deep = self.middle(F.max_pool2d(skip, 2))
        return self.out(torch.cat([self.up(deep), skip], dim=1))


def dice_loss(logits, masks):
    shares = torch.sigmoid(logits)
    overlap = (shares * masks).sum((1, 2, 3))
    size = shares.sum((1, 2, 3)) + masks.sum((1, 2, 3))
    return 1 - ((2 * overlap + 1) / (size + 1)).mean()


def train_epoch(model, loader, optimizer, scaler, scheduler):
    model.train()
    running = 0.0
    optimizer.zero_grad()
    for i, (images, masks) in enumerate(loader):
        images, masks = images.cuda(), masks.cuda()
        with autocast("cuda"):
            logits = model(images)
            bce = F.binary_cross_entropy_with_logits(logits, masks)
            loss = (bce + dice_loss(logits, masks)) / ACCUMULATE
        scaler.scale(loss).backward()
        if (i + 1) % ACCUMULATE == 0 or (i + 1) == len(loader):
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            scheduler.step()
        running += loss.item() * ACCUMULATE
    return running / len(loader)


@torch.no_grad()
def intersection_over_union(model, loader):
    model.eval()
    overlap = union = 0
    for images, masks in loader:
        found = model(images.cuda()) > 0
        true = masks.cuda() > 0.5
        overlap += (found & true).sum().item()
        union += (found | true).sum().item()
    return overlap / max(union, 1)


def main(root="data", epochs=40):
    names = sorted(path.name for path in Path(root, "images").glob("*.png"))
    train_loader = DataLoader(Masks(root, names[:-200]), batch_size=4, shuffle=True, num_workers=4)
    val_loader = DataLoader(Masks(root, names[-200:]), batch_size=4, num_workers=4)
    model = SmallUNet().cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    updates = -(-len(train_loader) // ACCUMULATE) * epochs
    scheduler = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=updates, power=0.9)
    scaler = GradScaler("cuda")
    best = 0.0
    for epoch in range(epochs):
        loss = train_epoch(model, train_loader, optimizer, scaler, scheduler)
        score = intersection_over_union(model, val_loader)
        print(f"{epoch}: {loss:.4f} {score:.3f}")
        if score > best:
            best = score
            torch.save(model.state_dict(), "unet.pt")


if __name__ == "__main__":
    main()
