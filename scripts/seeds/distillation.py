"""A student learns from a teacher: softened distributions beside the cross entropy on labels."""

from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from PIL import Image, UnidentifiedImageError
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

TEMPERATURE, ALPHA = 4.0, 0.7


def make_network(width, classes):
    return nn.Sequential(
        nn.Conv2d(3, width, 5, stride=2),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, classes),
    )


class Folder(Dataset):
    def __init__(self, root):
        self.classes = sorted(path.name for path in Path(root).iterdir())
        self.files = [path for path in sorted(Path(root).glob("*/*")) if self.is_readable(path)]
        self.transform = transforms.Compose([transforms.Resize((64, 64)), transforms.ToTensor()])

    @staticmethod
    def is_readable(path):
        try:
            with Image.open(path) as image:
                image.verify()
        except (OSError, UnidentifiedImageError):
            return False
        return True

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        path = self.files[index]
        image = self.transform(Image.open(path).convert("RGB"))
        return image, self.classes.index(path.parent.name)


def distillation_loss(student_logits, teacher_logits, labels):
    soft = F.kl_div(
        F.log_softmax(student_logits / TEMPERATURE, dim=1),
        F.softmax(teacher_logits / TEMPERATURE, dim=1),
        reduction="batchmean",
    )
    hard = F.cross_entropy(student_logits, labels)
    return ALPHA * TEMPERATURE**2 * soft + (1 - ALPHA) * hard


def distill(student, teacher, loader, optimizer, device):
    student.train()
    teacher.eval()
    losses = []
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        with torch.no_grad():
            teacher_logits = teacher(images)
        optimizer.zero_grad()
        loss = distillation_loss(student(images), teacher_logits, labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


@torch.no_grad()
def top1(network, loader, device):
    network.eval()
    hits = [(network(x.to(device)).argmax(1).cpu() == y).float().mean().item() for x, y in loader]
    return sum(hits) / len(hits)


def main(root="pets", epochs=30):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train_data, val_data = Folder(f"{root}/train"), Folder(f"{root}/val")
    train_loader = DataLoader(train_data, batch_size=64, shuffle=True)
    val_loader = DataLoader(val_data, batch_size=64)
    classes = len(train_data.classes)
    teacher = make_network(256, classes).to(device)
    teacher.load_state_dict(torch.load("teacher.pth", map_location=device)["model"])
    student = make_network(32, classes).to(device)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    warmup = LinearLR(optimizer, start_factor=0.1, total_iters=5)
    decay = CosineAnnealingLR(optimizer, T_max=epochs - 5)
    scheduler = SequentialLR(optimizer, [warmup, decay], milestones=[5])
    best = 0.0
    for _ in range(epochs):
        loss = distill(student, teacher, train_loader, optimizer, device)
        score = top1(student, val_loader, device)
        scheduler.step()
        print(f"{loss:.3f} {score:.1%}")
        if score > best:
            best = score
            torch.save(student.state_dict(), "student.pth")


if __name__ == "__main__":
    main()
