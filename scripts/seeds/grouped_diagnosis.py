"""A diagnosis for each patient: no patient in two folds, and each fold is told for all classes."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report, f1_score, precision_recall_fscore_support
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

NAMES = ["healthy", "benign", "malignant"]
CLASSES = [0, 1, 2]


def read(path):
    table = pd.read_csv(path)
    features = table.drop(columns=["patient", "site", "diagnosis"]).to_numpy()
    return features, table["diagnosis"].to_numpy(), table["patient"].to_numpy(), table["site"]


def by_patient(X, y, patients):
    scores = []
    for train, test in GroupKFold(n_splits=5).split(X, y, patients):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        model.fit(X[train], y[train])
        found = model.predict(X[test])
        print(
            classification_report(
                y[test], found, labels=CLASSES, target_names=NAMES, zero_division=0
            )
        )
        scores.append(f1_score(y[test], found, labels=CLASSES, average="macro", zero_division=0))
    return np.mean(scores)


def by_fold(X, y):
    table = []
    for train, test in KFold(n_splits=10, shuffle=True, random_state=0).split(X):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        model.fit(X[train], y[train])
        precision, recall, _, _ = precision_recall_fscore_support(
            y[test], model.predict(X[test]), labels=CLASSES, zero_division=0
        )
        table.append([precision, recall])
    return np.mean(table, axis=0)


def by_site(model, X, y, sites):
    for site in sorted(sites.unique()):
        rows = (sites == site).to_numpy()
        found = model.predict(X[rows])
        score = f1_score(y[rows], found, labels=CLASSES, average="macro", zero_division=0)
        print(f"{site}: {score:.3f}")


def main(path="patients.csv"):
    X, y, patients, sites = read(path)
    print("patients", by_patient(X, y, patients))
    print("folds", by_fold(X, y))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(X, y)
    by_site(model, X, y, sites)


if __name__ == "__main__":
    main()
