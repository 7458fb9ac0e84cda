"""Spam detection with scikit-learn: a vectoriser by hand, then the same in a searched pipeline."""

import json
from pathlib import Path

from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix, f1_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline


def read(folder):
    texts, labels = [], []
    for path in sorted(Path(folder).glob("*.json")):
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise SystemExit(f"{path}: {error}") from error
        texts.append(row["text"])
        labels.append(row["spam"])
    return texts, labels


def by_hand(texts, labels):
    train_texts, test_texts, y_train, y_test = train_test_split(texts, labels, test_size=0.25)
    vectorizer = TfidfVectorizer(min_df=2)
    x_train = vectorizer.fit_transform(train_texts)
    x_test = vectorizer.transform(test_texts)
    selector = SelectKBest(chi2, k=500)
    x_train = selector.fit_transform(x_train, y_train)
    x_test = selector.transform(x_test)
    model = MultinomialNB()
    model.fit(x_train, y_train)
    found = model.predict(x_test)
    matrix = confusion_matrix(y_test, found, labels=[0, 1])
    ConfusionMatrixDisplay(matrix, display_labels=["ham", "spam"]).plot()
    print("missed spam", matrix[1, 0])
    return f1_score(y_test, found)


def searched(texts, labels):
    train_texts, test_texts, y_train, y_test = train_test_split(texts, labels, test_size=0.25)
    pipeline = Pipeline([("words", CountVectorizer()), ("model", MultinomialNB())])
    grid = {"words__ngram_range": [(1, 1), (1, 2)], "model__alpha": [0.1, 1.0]}
    search = GridSearchCV(pipeline, grid, cv=5, scoring="f1")
    search.fit(train_texts, y_train)
    print(search.best_params_)
    return f1_score(y_test, search.predict(test_texts))


def main(folder="mails"):
    texts, labels = read(folder)
    print("by hand", by_hand(texts, labels))
    print("searched", searched(texts, labels))


if __name__ == "__main__":
    main()
