"""Fraud on a data frame: imputing, encoding and oversampling, all on the training rows."""

import joblib
import pandas as pd
from imblearn.over_sampling import RandomOverSampler
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import confusion_matrix, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler

TARGET = "fraud"
NUMBERS = ["amount", "balance", "age_days"]


def prepare(frame):
    frame = frame.dropna(subset=[TARGET])
    frame = frame.assign(hour=pd.to_datetime(frame["time"]).dt.hour)
    return frame[[*NUMBERS, "hour"]], frame[TARGET].astype(int)


def main(path="transactions.csv"):
    features, target = prepare(pd.read_csv(path))
    X_train, X_test, y_train, y_test = train_test_split(
        features, target, test_size=0.3, stratify=target, random_state=7
    )
    imputer = SimpleImputer(strategy="median")
    X_train = imputer.fit_transform(X_train)
    X_test = imputer.transform(X_test)
    scaler = MinMaxScaler().fit(X_train)
    X_train = scaler.transform(X_train)
    X_test = scaler.transform(X_test)
    sampler = RandomOverSampler(random_state=0)
    X_train, y_train = sampler.fit_resample(X_train, y_train)

    model = HistGradientBoostingClassifier(random_state=0)
    model.fit(X_train, y_train)
    found = model.predict(X_test)
    shares = model.predict_proba(X_test)[:, 1]
    tn, fp, fn, tp = confusion_matrix(y_test, found, labels=[0, 1]).ravel()
    print(f"caught {tp} of {tp + fn}, {fp} false alarms in {tn + fp}")
    print("ROC AUC", roc_auc_score(y_test, shares))
    try:
        joblib.dump((imputer, scaler, model), "fraud.joblib")
    except OSError as error:
        print("not saved:", error)


if __name__ == "__main__":
    main()
