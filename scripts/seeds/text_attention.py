"""Multi-label text tagging: an LSTM with attention, whose softmax is no output."""

import json

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, Dataset

PADDING, UNKNOWN = 0, 1


class Texts(Dataset):
    def __init__(self, path, vocabulary, tags):
        with open(path, encoding="utf-8") as file:
            self.rows = [json.loads(line) for line in file]
        self.vocabulary, self.tags = vocabulary, tags

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        row = self.rows[index]
        words = [self.vocabulary.get(word, UNKNOWN) for word in row["text"].lower().split()]
        target = torch.zeros(len(self.tags))
        for tag in row["tags"]:
            target[self.tags.index(tag)] = 1.0
        return torch.tensor(words), target


def collate(rows):
    words = nn.utils.rnn.pad_sequence([row[0] for row in rows], batch_first=True)
    return words, torch.stack([row[1] for row in rows])


class Tagger(nn.Module):
    def __init__(self, words, tags, width=128):
        super().__init__()
        self.embedding = nn.Embedding(words, width, padding_idx=PADDING)
        self.lstm = nn.LSTM(width, width, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(2 * width, 1)
        self.output = nn.Linear(2 * width, tags)

    def forward(self, words):
        states, _ = self.lstm(self.embedding(words))
        scores = self.attention(states).squeeze(-1).masked_fill(words == PADDING, -1e4)
        weights = functional.softmax(scores, dim=1)
        pooled = (states * weights.unsqueeze(-1)).sum(dim=1)
        return self.output(pooled)


def fit_epoch(model, loader, optimizer, device):
    model.train()
    running, seen = 0.0, 0
    for words, targets in loader:
        words, targets = words.to(device), targets.to(device)
        scores = model(words)
        loss = functional.binary_cross_entropy_with_logits(scores, targets)
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        running += loss.item() * words.size(0)
        seen += words.size(0)
    return running / seen


def exact_matches(model, loader, device, threshold=0.5):
    model.eval()
    matches = seen = 0
    with torch.inference_mode():
        for words, targets in loader:
            found = torch.sigmoid(model(words.to(device))) > threshold
            matches += (found.cpu() == targets.bool()).all(dim=1).sum().item()
            seen += len(words)
    return matches / seen


def main(folder="corpus", epochs=12):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with open(f"{folder}/vocabulary.json", encoding="utf-8") as file:
        vocabulary = json.load(file)
    tags = ["bug", "feature", "question", "documentation"]
    train_set = Texts(f"{folder}/train.jsonl", vocabulary, tags)
    val_set = Texts(f"{folder}/val.jsonl", vocabulary, tags)
    test_set = Texts(f"{folder}/test.jsonl", vocabulary, tags)
    train_loader = DataLoader(train_set, batch_size=64, shuffle=True, collate_fn=collate)
    val_loader = DataLoader(val_set, batch_size=128, collate_fn=collate)
    test_loader = DataLoader(test_set, batch_size=128, collate_fn=collate)
    model = Tagger(len(vocabulary) + 2, len(tags)).to(device)
    with open(f"{folder}/embeddings.pt", "rb") as file:
        vectors = torch.load(file, map_location="cpu", weights_only=True)
    model.embedding.weight.data.copy_(vectors)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", patience=1)
    best, best_state = 0.0, None
    for _ in range(epochs):
        loss = fit_epoch(model, train_loader, optimizer, device)
        score = exact_matches(model, val_loader, device)
        scheduler.step(score)
        print(f"loss {loss:.4f}, validation {score:.3f}")
        if score > best:
            best = score
            best_state = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(best_state)
    print("test", exact_matches(model, test_loader, device))


if __name__ == "__main__":
    main()
