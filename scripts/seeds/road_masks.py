"""Roads in aerial pictures: albumentations moves picture and mask together; a second set by hand."""

import random
from pathlib import Path

import albumentations as A
import numpy as np
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as TF
from albumentations.pytorch import ToTensorV2
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

augment = A.Compose(
    [A.RandomCrop(256, 256), A.HorizontalFlip(p=0.5), A.RandomRotate90(), A.Normalize(), ToTensorV2()]
)
plain = A.Compose([A.CenterCrop(256, 256), A.Normalize(), ToTensorV2()])


class Roads(Dataset):
    def __init__(self, folder, transform):
        self.pictures = sorted(Path(folder, "pictures").glob("*.jpg"))
        self.transform = transform

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        path = self.pictures[index]
        image = np.array(Image.open(path).convert("RGB"))
        mask = np.array(Image.open(path.parents[1] / "masks" / f"{path.stem}.png"))
        both = self.transform(image=image, mask=mask)
        return both["image"], both["mask"].long()


class Tiles(Dataset):
    """Large tiles of another source, whose masks have a file format of their own."""

    def __init__(self, names):
        self.names = names

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        picture = Image.open(self.names[index]).convert("RGB")
        mask = Image.fromarray(np.load(f"{self.names[index]}.npy"))
        if random.random() < 0.5:
            picture, mask = TF.vflip(picture), TF.vflip(mask)
        angle = random.choice([0, 90, 180, 270])
        picture = TF.rotate(picture, angle)
        mask = TF.rotate(mask, angle)
        return TF.to_tensor(picture), torch.from_numpy(np.array(mask)).long()


class Segmenter(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU())
        self.up = nn.ConvTranspose2d(32, classes, 2, 2)

    def forward(self, images):
        return self.up(self.down(images))


def fit(model, loader, optimizer, epochs, device):
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    for epoch in range(epochs):
        model.train()
        total, pixels = 0.0, 0
        for images, masks in loader:
            images, masks = images.to(device), masks.to(device)
            loss = F.cross_entropy(model(images), masks)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * masks.numel()
            pixels += masks.numel()
        scheduler.step()
        print(f"{epoch}: {total / max(pixels, 1):.4f}")


def main(folder="roads"):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = Segmenter().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    first = DataLoader(Roads(f"{folder}/train", augment), 8, shuffle=True, num_workers=4)
    fit(model, first, optimizer, 50, device)
    names = [str(path) for path in Path(folder, "tiles").glob("*.tif")]
    fit(model, DataLoader(Tiles(names), 8, shuffle=True), optimizer, 10, device)
    model.eval()
    hits = pixels = 0
    with torch.no_grad():
        for images, masks in DataLoader(Roads(f"{folder}/val", plain), 8):
            hits += (model(images.to(device)).argmax(1).cpu() == masks).sum().item()
            pixels += masks.numel()
    print("accuracy", hits / max(pixels, 1))
    torch.save(model.state_dict(), "roads.pt")


if __name__ == "__main__":
    main()
