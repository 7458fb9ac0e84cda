"""Loans that are not paid back: gradient boosting of three libraries on one table."""

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from catboost import CatBoostClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

LABEL = "default"


def read(path):
    loans = pd.read_csv(path)
    loans["ratio"] = loans["amount"] / loans["income"].clip(lower=1)
    loans = pd.get_dummies(loans, columns=["purpose", "region"])
    features = loans.drop([LABEL, "loan_id"], axis=1)
    target = loans[LABEL]
    return features, target


def with_xgboost(X_train, y_train, X_valid):
    model = xgb.XGBClassifier(n_estimators=400, learning_rate=0.05, random_state=1)
    model.fit(X_train, y_train)
    return model.predict_proba(X_valid)[:, 1]


def with_lightgbm(X_train, y_train, X_valid):
    model = lgb.LGBMClassifier(n_estimators=400, random_state=1)
    model.fit(X_train, y_train)
    return model.predict_proba(X_valid)[:, 1]


def with_catboost(X_train, y_train, X_valid):
    model = CatBoostClassifier(iterations=400, verbose=False, random_seed=1)
    model.fit(X_train, y_train)
    return model.predict_proba(X_valid)[:, 1]


def main(path="loans.csv"):
    X, y = read(path)
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=1)
    scores = {"xgboost": [], "lightgbm": [], "catboost": []}
    for train_rows, valid_rows in folds.split(X, y):
        X_train, y_train = X.iloc[train_rows], y.iloc[train_rows]
        X_valid, y_valid = X.iloc[valid_rows], y.iloc[valid_rows]
        found = {
            "xgboost": with_xgboost(X_train, y_train, X_valid),
            "lightgbm": with_lightgbm(X_train, y_train, X_valid),
            "catboost": with_catboost(X_train, y_train, X_valid),
        }
        for name, shares in found.items():
            scores[name].append(roc_auc_score(y_valid, shares))
    for name, values in scores.items():
        print(f"{name}: {np.mean(values):.3f} +- {np.std(values):.3f}")


if __name__ == "__main__":
    main()
