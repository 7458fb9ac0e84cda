"""A training notebook as a script: the epochs, the batches and the validation are one long cell."""

# %%
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
num_epochs, batch_size, grad_accum = 3, 32, 4

# %%
X = torch.randn(800, 10)
y = (X[:, :3].sum(dim=1) > 0).long()
dataset = TensorDataset(X, y)
train_ds, val_ds = random_split(dataset, [600, 200])
train_dl = DataLoader(train_ds, batch_size=batch_size, shuffle=True)
val_dl = DataLoader(val_ds, batch_size=batch_size)


# %%
class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(10, 32)
        self.drop = nn.Dropout(0.25)
        self.fc2 = nn.Linear(32, 2)

    def forward(self, x):
        x = self.drop(F.relu(self.fc1(x)))
        return self.fc2(x)


model = MLP().to(device)
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
scheduler = torch.optim.lr_scheduler.CyclicLR(optimizer, 1e-4, 1e-3, cycle_momentum=False)

# %%
train_losses, val_losses = [], []
best_loss = float("inf")
for epoch in range(num_epochs):
    model.train()
    running_loss = 0.0
    optimizer.zero_grad()
    for i, (inputs, targets) in enumerate(train_dl):
        inputs, targets = inputs.to(device), targets.to(device)
        outputs = model(inputs)
        loss = criterion(outputs, targets) / grad_accum
        loss.backward()
        if not (i + 1) % grad_accum or i == len(train_dl) - 1:
            optimizer.step()
            optimizer.zero_grad()
        running_loss += loss.item() * grad_accum
    scheduler.step()
    train_losses.append(running_loss / len(train_dl))

    model.eval()
    val_loss = 0.0
    with torch.no_grad():
        for inputs, targets in val_dl:
            inputs, targets = inputs.to(device), targets.to(device)
            val_loss += criterion(model(inputs), targets).item()
    val_losses.append(val_loss / len(val_dl))
    print(f"epoch {epoch}: train {train_losses[-1]:.4f}, val {val_losses[-1]:.4f}")
    if val_losses[-1] < best_loss:
        best_loss = val_losses[-1]
        torch.save(model.state_dict(), "mlp.pt")

# %%
model.load_state_dict(torch.load("mlp.pt", map_location=device))
model.eval()
with torch.no_grad():
    print(F.softmax(model(X[:5].to(device)), dim=1))
