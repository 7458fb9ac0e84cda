"""What was found of the reads of a tensor, and which reads do not see whether it was activated."""

from __future__ import annotations

from dataclasses import dataclass, field

from trainlint.semantics import tree
from trainlint.semantics.escapes import Escape
from trainlint.semantics.tree import Expr

# What is the same with the activation and without it.
UNCHANGED = frozenset(
    "dim is_cuda is_floating_point ndimension nelement numel ones_like zeros_like rand_like "
    "randn_like empty_like full_like new_ones new_zeros new_full new_empty size len isinstance "
    "shape dtype device ndim requires_grad".split()
)
# The same where the activation keeps the order along the dimension that is searched.
ORDERED = frozenset("argmax argmin argsort".split())
# The gradient that reaches the output itself is another one.
GRADIENT = frozenset("retain_grad register_hook grad grad_fn is_leaf".split())
# Attributes that are the same memory.
ALIASES = frozenset("data T mT".split())


@dataclass(slots=True)
class Reads:
    """What was found on the way of a tensor.

    ``losses`` are the loss calls reached, ``others`` the reads that need the activation
    (``reshaped`` those among them that see another shape), ``clamps`` the calls on the way to a
    loss that must go when logits pass there, ``changes`` the places
    that write into the tensor or look at its own gradient, which no wrapping makes up for.
    """

    losses: list[tree.Call] = field(default_factory=list)
    others: list[Expr] = field(default_factory=list)
    reshaped: list[Expr] = field(default_factory=list)
    clamps: list[tree.Call] = field(default_factory=list)
    escapes: list[Escape] = field(default_factory=list)
    changes: list[Escape] = field(default_factory=list)

    def __iadd__(self, other: Reads) -> Reads:
        self.losses += other.losses
        self.others += other.others
        self.reshaped += other.reshaped
        self.clamps += other.clamps
        self.escapes += other.escapes
        self.changes += other.changes
        return self
