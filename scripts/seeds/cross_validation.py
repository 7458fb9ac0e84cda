"""Stratified folds: what is fitted is fitted inside the fold, and each fold is counted alike."""

import numpy as np
from imblearn.over_sampling import SMOTE
from sklearn import metrics
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.preprocessing import LabelEncoder, RobustScaler


def load(path):
    table = np.genfromtxt(path, delimiter=",", skip_header=1, dtype=str)
    encoder = LabelEncoder()
    return table[:, :-1].astype(float), encoder.fit_transform(table[:, -1]), encoder.classes_


def run_fold(x_train, y_train, x_test, y_test, classes):
    scaler = RobustScaler()
    x_train = scaler.fit_transform(x_train)
    x_test = scaler.transform(x_test)
    reducer = PCA(n_components=10)
    x_train = reducer.fit_transform(x_train)
    x_test = reducer.transform(x_test)
    x_train, y_train = SMOTE(random_state=0).fit_resample(x_train, y_train)
    model = GradientBoostingClassifier(random_state=0)
    model.fit(x_train, y_train)
    predictions = model.predict(x_test)
    matrix = metrics.confusion_matrix(y_test, predictions, labels=range(len(classes)))
    return matrix, metrics.balanced_accuracy_score(y_test, predictions)


def main(path="wine.csv"):
    x, y, classes = load(path)
    x_dev, x_final, y_dev, y_final = train_test_split(x, y, test_size=0.1, random_state=1)
    total = np.zeros((len(classes), len(classes)), dtype=int)
    scores = []
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=0)
    for fold, (train_index, test_index) in enumerate(folds.split(x_dev, y_dev)):
        matrix, score = run_fold(
            x_dev[train_index], y_dev[train_index], x_dev[test_index], y_dev[test_index], classes
        )
        total += matrix
        scores.append(score)
        print(f"fold {fold}: {score:.3f}")
    print(f"{np.mean(scores):.3f} +- {np.std(scores):.3f}")
    print(total / total.sum(axis=1, keepdims=True))
    _, score = run_fold(x_dev, y_dev, x_final, y_final, classes)
    print("held out", score)


if __name__ == "__main__":
    main()
