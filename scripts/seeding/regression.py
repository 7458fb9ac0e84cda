"""Columns against vectors in a loss of numbers (LOS005)."""

from __future__ import annotations

from .operators import written


def _each_with_each(name: str, *edits: tuple[str, str]) -> None:
    written("LOS005", name, "", *edits)


# The outputs stay a column
_each_with_each(
    "output-not-squeezed", ("return self.layers(rows).squeeze(-1)", "return self.layers(rows)")
)
_each_with_each(
    "output-not-squeezed", ("self.head(states[:, -1]).view(-1)", "self.head(states[:, -1])")
)
_each_with_each(
    "output-not-squeezed", ("found = model(images).squeeze(1)", "found = model(images)")
)
_each_with_each(
    "output-not-squeezed",
    ("self.dropout(states[:, -1])).squeeze(-1)", "self.dropout(states[:, -1]))"),
)
_each_with_each(
    "output-made-a-column",
    ("return self.layers(rows).squeeze(-1)", "return self.layers(rows).view(-1, 1)"),
)
_each_with_each(
    "output-made-a-column",
    ("self.head(states[:, -1]).view(-1)", "self.head(states[:, -1]).reshape(-1, 1)"),
)
_each_with_each(
    "other-axis-squeezed", ("found = model(images).squeeze(1)", "found = model(images).squeeze(0)")
)
_each_with_each(
    "output-by-a-slice", ("found = model(images).squeeze(1)", "found = model(images)[:, :1]")
)

# The targets become a column, or stay a vector
_each_with_each(
    "target-made-a-column", ("criterion(found, people)", "criterion(found, people.unsqueeze(1))")
)
_each_with_each(
    "target-made-a-column",
    ("l1_loss(model(hours), load)", "l1_loss(model(hours), load.view(-1, 1))"),
)
_each_with_each(
    "target-made-a-column",
    ("loss = criterion(model(rows), prices)", "loss = criterion(model(rows), prices[:, None])"),
)
_each_with_each(
    "target-of-the-data-set",
    (
        "torch.tensor(np.log(prices.to_numpy()), dtype=torch.float32)",
        "torch.tensor(np.log(prices.to_numpy()), dtype=torch.float32).unsqueeze(1)",
    ),
)
_each_with_each(
    "target-of-the-data-set", ("torch.tensor(float(people))", "torch.tensor([float(people)])")
)
_each_with_each("target-left-a-vector", ("inputs.sum(dim=1, keepdim=True)", "inputs.sum(dim=1)"))
_each_with_each(
    "target-left-a-vector", ("l1_loss(found, people.unsqueeze(1), ", "l1_loss(found, people, ")
)

# Other losses between the same two
_each_with_each(
    "loss-by-its-function",
    (
        "        loss = criterion(found, people)\n",
        "        loss = nn.functional.smooth_l1_loss(model(images), people)\n",
    ),
)
_each_with_each(
    "loss-of-a-method",
    ("        self.loss_fn = nn.SmoothL1Loss()\n", "        self.loss_fn = nn.MSELoss()\n"),
    ("inputs.sum(dim=1, keepdim=True)", "inputs.sum(dim=1)"),
)
