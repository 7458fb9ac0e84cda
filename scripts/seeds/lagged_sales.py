"""Sales of a shop: features look back in time, so the folds go forward and nothing is shuffled."""

import pandas as pd
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import TimeSeriesSplit, cross_val_score, train_test_split

FEATURES = ["weekday", "yesterday", "last_week", "month"]


def add_features(sales):
    sales["weekday"] = sales["date"].dt.weekday
    sales["yesterday"] = sales["sold"].shift(1)
    sales["last_week"] = sales["sold"].shift(7)
    sales["month"] = sales["sold"].shift(1).rolling(28).mean()
    return sales.dropna()


def forward_folds(X, y):
    errors = []
    for train_rows, test_rows in TimeSeriesSplit(n_splits=5).split(X):
        model = GradientBoostingRegressor(random_state=0)
        model.fit(X.iloc[train_rows], y.iloc[train_rows])
        found = model.predict(X.iloc[test_rows])
        errors.append(mean_absolute_error(y.iloc[test_rows], found))
    return errors


def main(path="sales.csv"):
    sales = pd.read_csv(path, parse_dates=["date"])
    sales = sales.sort_values("date").reset_index(drop=True)
    sales = add_features(sales)
    X, y = sales[FEATURES], sales["sold"]
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, shuffle=False)
    model = GradientBoostingRegressor(random_state=0).fit(X_train, y_train)
    print("last fifth", mean_absolute_error(y_test, model.predict(X_test)))
    print("forward", forward_folds(X, y))
    rounds = cross_val_score(model, X, y, cv=TimeSeriesSplit(n_splits=8))
    print("scores", rounds.mean())


if __name__ == "__main__":
    main()
