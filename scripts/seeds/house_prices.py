"""Prices of houses: a table, a forest on it, and a small network on tensors of the same columns."""

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

COLUMNS = ["rooms", "area", "year", "distance"]


class Prices(nn.Module):
    def __init__(self, columns):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(columns, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, rows):
        return self.layers(rows).squeeze(-1)


def tensors(rows, prices):
    return TensorDataset(
        torch.tensor(rows, dtype=torch.float32),
        torch.tensor(np.log(prices.to_numpy()), dtype=torch.float32),
    )


def fit_network(train_set, valid_set, epochs=40):
    train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
    valid_loader = DataLoader(valid_set, batch_size=256)
    model = Prices(len(COLUMNS))
    criterion = nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(epochs):
        model.train()
        for rows, prices in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(rows), prices)
            loss.backward()
            optimizer.step()
        model.eval()
        squares, count = 0.0, 0
        with torch.no_grad():
            for rows, prices in valid_loader:
                squares += criterion(model(rows), prices).item() * len(prices)
                count += len(prices)
        print(f"{epoch}: {(squares / max(count, 1)) ** 0.5:.4f}")
    return model


def main(path="houses.csv"):
    houses = pd.read_csv(path).dropna()
    X = houses[COLUMNS]
    y = houses["price"]
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
    forest = RandomForestRegressor(n_estimators=300, random_state=0)
    forest.fit(X_train, y_train)
    print("forest", mean_absolute_error(y_test, forest.predict(X_test)))
    scaler = StandardScaler().fit(X_train)
    train_set = tensors(scaler.transform(X_train), y_train)
    test_set = tensors(scaler.transform(X_test), y_test)
    model = fit_network(train_set, test_set)
    torch.save(model.state_dict(), "prices.pt")


if __name__ == "__main__":
    main()
