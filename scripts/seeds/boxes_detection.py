"""Boxes around animals: image and boxes are flipped and cropped together, the warmup is by hand."""

import os
import random

import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.models.detection import fasterrcnn_resnet50_fpn


class Animals(Dataset):
    def __init__(self, rows, train):
        self.rows, self.train = rows, train

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        path, boxes, labels = self.rows[index]
        image = TF.to_tensor(Image.open(path).convert("RGB"))
        boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
        if self.train and random.random() < 0.5:
            image = TF.hflip(image)
            width = image.shape[-1]
            boxes = torch.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
        if self.train:
            image, boxes = self.shifted(image, boxes)
        return image, {"boxes": boxes, "labels": torch.tensor(labels)}

    def shifted(self, image, boxes, most=32):
        left, top = random.randint(0, most), random.randint(0, most)
        image = image[:, top:, left:]
        boxes = boxes - torch.tensor([left, top, left, top], dtype=torch.float32)
        return image, boxes.clamp(min=0)


def collate(rows):
    return tuple(zip(*rows))


def set_rate(optimizer, rate):
    for group in optimizer.param_groups:
        group["lr"] = rate


def train_epoch(model, loader, optimizer, device):
    model.train()
    total, used = 0.0, 0
    for images, targets in loader:
        images = [image.to(device) for image in images]
        targets = [{key: value.to(device) for key, value in each.items()} for each in targets]
        if not any(len(each["boxes"]) for each in targets):
            continue
        losses = model(images, targets)
        loss = sum(losses.values())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        total += loss.item()
        used += 1
    if used == 0:
        raise ValueError("no batch with a box")
    return total / used


@torch.no_grad()
def mean_overlap(model, loader, device):
    model.eval()
    total, count = 0.0, 0
    for images, targets in loader:
        outputs = model([image.to(device) for image in images])
        for output, target in zip(outputs, targets):
            if len(target["boxes"]) and len(output["boxes"]):
                closest = overlap(output["boxes"][:1].cpu(), target["boxes"]).max()
                total += closest.item()
                count += 1
    return total / count if count else 0.0


def overlap(first, second):
    low = torch.max(first[:, None, :2], second[None, :, :2])
    high = torch.min(first[:, None, 2:], second[None, :, 2:])
    shared = F.relu(high - low).prod(-1)
    areas = [(each[:, 2:] - each[:, :2]).prod(-1) for each in (first, second)]
    return shared / (areas[0][:, None] + areas[1][None] - shared)


def main(train_rows, val_rows, epochs=60, rate=0.02, warmup=3):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_loader = DataLoader(Animals(train_rows, True), 4, shuffle=True, collate_fn=collate)
    val_loader = DataLoader(Animals(val_rows, False), 4, collate_fn=collate)
    model = fasterrcnn_resnet50_fpn(weights="DEFAULT").to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    for epoch in range(epochs):
        if epoch < warmup:
            set_rate(optimizer, rate * (epoch + 1) / warmup)
        loss = train_epoch(model, train_loader, optimizer, device)
        score = mean_overlap(model, val_loader, device)
        print(f"{epoch}: {loss:.3f} {score:.3f}")
        torch.save(model.state_dict(), f"animals_{epoch}.pt")
        if os.path.exists(f"animals_{epoch - 3}.pt"):
            os.remove(f"animals_{epoch - 3}.pt")
