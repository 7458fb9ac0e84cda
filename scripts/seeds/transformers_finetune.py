"""Fine-tuning a language model: the loss comes from the model, steps are counted from one."""

import numpy as np
import torch
from datasets import load_dataset
from sklearn.metrics import f1_score
from torch.utils.data import DataLoader
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    get_linear_schedule_with_warmup,
)

NAME, ACCUMULATE, EPOCHS = "distilbert-base-uncased", 8, 3


def make_loaders():
    tokenizer = AutoTokenizer.from_pretrained(NAME)
    data = load_dataset("glue", "mrpc")
    data = data.map(lambda b: tokenizer(b["sentence1"], b["sentence2"], truncation=True))
    data = data.remove_columns(["sentence1", "sentence2", "idx"]).rename_column("label", "labels")
    collate = DataCollatorWithPadding(tokenizer)
    train = DataLoader(data["train"], batch_size=8, shuffle=True, collate_fn=collate)
    valid = DataLoader(data["validation"], batch_size=32, collate_fn=collate)
    return train, valid


def train(model, loader, optimizer, scheduler, device):
    model.train()
    losses = []
    for step, batch in enumerate(loader, start=1):
        batch = {key: value.to(device) for key, value in batch.items()}
        outputs = model(**batch)
        loss = outputs.loss
        losses.append(loss.detach().cpu())
        loss = loss / ACCUMULATE
        loss.backward()
        if step % ACCUMULATE == 0 or step == len(loader):
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    return torch.stack(losses).mean().item()


@torch.inference_mode()
def evaluate(model, loader, device):
    model.eval()
    truth, found = [], []
    for batch in loader:
        labels = batch.pop("labels")
        batch = {key: value.to(device) for key, value in batch.items()}
        logits = model(**batch).logits
        truth.append(labels.numpy())
        found.append(logits.argmax(-1).cpu().numpy())
    return f1_score(np.concatenate(truth), np.concatenate(found))


def main():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train_loader, valid_loader = make_loaders()
    model = AutoModelForSequenceClassification.from_pretrained(NAME, num_labels=2).to(device)
    decay = [p for name, p in model.named_parameters() if "bias" not in name]
    plain = [p for name, p in model.named_parameters() if "bias" in name]
    groups = [{"params": decay, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=2e-5)
    updates = -(-len(train_loader) // ACCUMULATE) * EPOCHS
    scheduler = get_linear_schedule_with_warmup(optimizer, updates // 10, updates)
    best = 0.0
    for epoch in range(EPOCHS):
        loss = train(model, train_loader, optimizer, scheduler, device)
        score = evaluate(model, valid_loader, device)
        print(f"epoch {epoch}: loss {loss:.3f}, F1 {score:.3f}")
        if score > best:
            best = score
            model.save_pretrained("best")


if __name__ == "__main__":
    main()
