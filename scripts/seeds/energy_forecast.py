"""The load of a grid from the day before: windows of one series, split where the months end."""

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import Ridge
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset

DAY = 24


class Hours(Dataset):
    def __init__(self, values):
        self.values = torch.as_tensor(values, dtype=torch.float32)

    def __len__(self):
        return len(self.values) - DAY

    def __getitem__(self, index):
        return self.values[index : index + DAY], self.values[index + DAY]


class Load(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, hours):
        states, _ = self.lstm(hours.unsqueeze(-1))
        return self.head(states[:, -1]).view(-1)


def windows(series):
    inputs, targets = [], []
    for start in range(len(series) - DAY):
        inputs.append(series[start : start + DAY])
        targets.append(series[start + DAY])
    return np.array(inputs), np.array(targets)


def baseline(series):
    inputs, targets = windows(series)
    cut = int(0.8 * len(inputs))
    X_train, X_test = inputs[:cut], inputs[cut + DAY :]
    y_train, y_test = targets[:cut], targets[cut + DAY :]
    model = Ridge().fit(X_train, y_train)
    return np.abs(model.predict(X_test) - y_test).mean()


def train(model, loader, optimizer):
    model.train()
    for hours, load in loader:
        loss = nn.functional.l1_loss(model(hours), load)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def error(model, loader):
    model.eval()
    parts = [(model(hours) - load).abs() for hours, load in loader]
    return torch.cat(parts).mean().item()


def main(path="grid.csv", epochs=25):
    torch.manual_seed(0)
    frame = pd.read_csv(path, parse_dates=["time"]).sort_values("time")
    series = frame["load"].to_numpy(dtype=np.float32)
    cut = int(0.8 * len(series))
    series = (series - series[:cut].mean()) / series[:cut].std()
    print("ridge", baseline(series))
    dataset = Hours(series)
    train_set = Subset(dataset, range(cut - DAY))
    test_set = Subset(dataset, range(cut, len(dataset)))
    train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=256)
    model = Load()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(epochs):
        train(model, train_loader, optimizer)
        print(epoch, error(model, test_loader))


if __name__ == "__main__":
    main()
