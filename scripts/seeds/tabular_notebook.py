"""A tabular notebook as a script: all at module level, in the order of its cells."""

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

# %%
df = pd.read_csv("churn.csv")
df = df.drop(columns=["customer_id"])
df["tenure_years"] = df["tenure"] / 12
X = df.drop(columns=["churned"])
y = df["churned"].to_numpy()
X.describe()

# %%
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.2, stratify=y, random_state=42
)

# %%
scaler = StandardScaler()
X_train = scaler.fit_transform(X_train)
X_test = scaler.transform(X_test)

# %%
model = LogisticRegression(max_iter=1000)
model.fit(X_train, y_train)
predictions = model.predict(X_test)
print("accuracy", accuracy_score(y_test, predictions))
print(classification_report(y_test, predictions))

# %%
matrix = confusion_matrix(y_test, predictions, labels=[0, 1])
plt.imshow(matrix, cmap="Blues")
for row in range(2):
    for column in range(2):
        plt.text(column, row, matrix[row, column], ha="center")
plt.savefig("confusion.png")

# %%
forest = RandomForestClassifier(n_estimators=200, random_state=0)
forest.fit(X_train, y_train)
print("forest", forest.score(X_test, y_test))
order = np.argsort(forest.feature_importances_)[::-1]
for position in order[:10]:
    print(X.columns[position], forest.feature_importances_[position])
