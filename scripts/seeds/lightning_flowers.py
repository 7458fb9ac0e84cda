"""Flowers with Lightning: the trainer owns the loop, the module says how often a schedule steps."""

import lightning as L
import torch
import torch.nn.functional as F
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms


class Flowers(L.LightningModule):
    def __init__(self, classes=102, rate=1e-3):
        super().__init__()
        self.save_hyperparameters()
        self.network = models.resnet18(weights=None, num_classes=classes)

    def forward(self, images):
        return self.network(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        logits = self(images)
        self.log("val_loss", F.cross_entropy(logits, labels))
        self.log("val_accuracy", (logits.argmax(1) == labels).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.rate)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=0.01, total_steps=self.trainer.estimated_stepping_batches
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


class Pictures(L.LightningDataModule):
    def __init__(self, root="flowers", batch_size=32):
        super().__init__()
        self.root, self.batch_size = root, batch_size
        self.plain = transforms.Compose([transforms.Resize((224, 224)), transforms.ToTensor()])

    def setup(self, stage=None):
        self.train_set = datasets.Flowers102(self.root, "train", transform=self.plain)
        self.val_set = datasets.Flowers102(self.root, "val", transform=self.plain)
        self.test_set = datasets.Flowers102(self.root, "test", transform=self.plain)

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=self.batch_size)

    def test_dataloader(self):
        return DataLoader(self.test_set, batch_size=self.batch_size)


def main():
    L.seed_everything(0)
    best = ModelCheckpoint(monitor="val_loss", save_top_k=1)
    trainer = L.Trainer(max_epochs=50, callbacks=[best, LearningRateMonitor()])
    trainer.fit(Flowers(), datamodule=Pictures())


if __name__ == "__main__":
    main()
