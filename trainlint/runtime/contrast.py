"""The matrix of similarities inside of a contrastive loss, found in the loss's graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainlint.runtime.events import Similarity
from trainlint.runtime.places import Place

if TYPE_CHECKING:
    from trainlint.runtime.session import Session

NODES = 200  # of a graph that are looked at; the matrix is near the loss
FIRST, EVERY, RARELY, MOST = 6, 10, 100, 60  # calls that are looked at
NEAR = 0.01  # of a norm to 1
LEAST = 1e-6  # the norm of a row that is there at all

_PRODUCTS = ("MmBackward0", "BmmBackward0")
_TURNS = frozenset(
    f"{name}Backward0"
    for name in "T Transpose Permute View UnsafeView Expand ReshapeAlias Clone Unsqueeze "
    "ToCopy".split()
)
_LOGARITHMS = frozenset(
    f"{name}Backward0" for name in "Sub LogSoftmax Log Logsumexp Exp NllLoss".split()
)
_LAYERS = frozenset(f"{name}Backward0" for name in "Addmm Mm Bmm Convolution Embedding".split())


@dataclass(slots=True)
class _Found:
    product: Any
    path: list[Any]  # from the loss to it, itself left out
    branches: list[int]  # which input of each node of the path leads on
    is_self: bool


class Contrast:
    """Looks at the first losses, and at some of the later ones; nothing waits for a device."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._calls = 0
        self._looks = 0
        self._has_found = False
        self.has_to_guess = False  # whether a saved tensor is packed: this release does not say
        self.packs = False  # the program has packed some

    def look(self, loss: Any, place: Place | None) -> None:
        """A backward call from this loss begins."""
        self._calls += 1
        stride = EVERY if self._has_found else RARELY
        if self._looks >= MOST or (self._calls > FIRST and self._calls % stride):
            return
        if self.has_to_guess and self.packs:
            return
        self._looks += 1
        found = _search(loss.grad_fn)
        if found is None:
            return
        temperature = _temperature(found)
        features = _saved(found.product, "self")
        if temperature is False or features is None:
            return
        self._has_found = True
        numbers = _norms(features)
        rows, columns = features.shape[0], features.shape[0]
        other = _saved(found.product, "mat2")
        if other is not None:
            columns = other.shape[-1]
        lonely = _lonely(found, rows, columns)
        if lonely is not None:
            numbers.append(lonely)
        batches, step = tuple(self._session.windows.batches), self._session.record.steps + 1

        def arrived(values: list[float]) -> None:
            self._session.tell(
                Similarity(
                    rows,
                    columns,
                    temperature or None,
                    values[0],
                    values[1],
                    values[2] if len(values) > 2 else None,
                    batches,
                    step,
                    place,
                )
            )

        self._session.readings.take(numbers, arrived)


def _search(root: Any) -> _Found | None:
    """The product of features with each other, nearest to the loss."""
    before: dict[Any, tuple[Any, int]] = {root: (None, 0)}
    queue = deque([root])
    seen = 0
    while queue and seen < NODES:
        node = queue.popleft()
        if node is None:
            continue
        seen += 1
        name = type(node).__name__
        if name in _PRODUCTS:
            found = _product(node, before)
            if found is not None:
                return found
            continue  # what is behind a layer is no similarity of this loss
        if name in _LAYERS:
            continue
        for index, (following, _) in enumerate(node.next_functions):
            if following is not None and following not in before:
                before[following] = (node, index)
                queue.append(following)
    return None


def _product(node: Any, before: dict[Any, tuple[Any, int]]) -> _Found | None:
    (left, _), (right, _) = node.next_functions[:2]
    ours, theirs = _origin(left), _origin(right)
    if ours is None or theirs is None:
        return None
    is_self = ours is theirs
    if not is_self and (_is_of_weights(ours) or _is_of_weights(theirs)):
        return None
    path, branches, at = [], [], node
    while before[at][0] is not None:
        at, branch = before[at]
        path.append(at)
        branches.append(branch)
    path.reverse()
    branches.reverse()
    names = {type(one).__name__ for one in path}
    if not names & _LOGARITHMS:
        return None
    if not is_self and "NllLossBackward0" not in names:
        return None
    return _Found(node, path, branches, is_self)


def _origin(node: Any) -> Any:
    """What a matrix was before it was turned or reshaped."""
    while node is not None and type(node).__name__ in _TURNS:
        node = node.next_functions[0][0]
    return node


def _is_of_weights(node: Any) -> bool:
    """Whether nothing but a parameter goes into it: the rows are weights, no features."""
    stack, seen = [node], 0
    while stack and seen < 16:
        one = stack.pop()
        seen += 1
        if one is None:
            continue
        if type(one).__name__ in _LAYERS:
            return False
        stack += [following for following, _ in one.next_functions]
    return not stack


def _saved(node: Any, name: str) -> Any | None:
    """A matrix that a product keeps for its gradient; None where to ask would run a hook."""
    if not _is_at_hand(node, name):
        return None
    try:
        value = getattr(node, f"_saved_{name}")
    except RuntimeError:
        return None
    if value is None:
        return None
    if value.dim() == 3 and value.shape[0] == 1:
        value = value[0]
    return value.detach() if value.dim() == 2 else None


def _is_at_hand(node: Any, name: str) -> bool:
    """Whether it was saved as it is. What does not tell is asked only where nothing is packed."""
    raw = getattr(node, f"_raw_saved_{name}", None)
    return raw is not None and getattr(raw, "unpack_hook", None) is None


def _temperature(found: _Found) -> float | bool | None:
    """What divides the similarities before their logarithm; False: no temperature below 1."""
    for node in reversed(found.path):
        name = type(node).__name__
        if name in _LOGARITHMS:
            return False
        if name not in ("DivBackward0", "MulBackward0"):
            continue
        values = [v for v in _constants(node) if v.numel() > 1]
        if values:
            return False  # a norm, or a mask: what it does to the features is unknown
        scalars = [v for v in _constants(node) if v.numel() == 1]
        if not scalars or scalars[0].requires_grad or scalars[0].device.type != "cpu":
            return None
        number = abs(float(scalars[0]))
        if name == "MulBackward0":
            number = 1 / number if number else 0.0
        return number if 0 < number < 1 else False
    return False


def _constants(node: Any) -> Iterator[Any]:
    for name in ("other", "self"):
        if not _is_at_hand(node, name):
            continue
        try:
            value = getattr(node, f"_saved_{name}")
        except RuntimeError:
            continue
        if value is not None and not (value.numel() > 1 and value.requires_grad):
            yield value


def _norms(features: Any) -> list[Any]:
    """The mean norm of the rows, and the part of them whose norm differs from 1."""
    import torch

    norms = torch.linalg.vector_norm(features.float(), dim=1)
    there = norms > LEAST
    count = there.sum().clamp(min=1)
    far = ((norms - 1).abs() > NEAR) & there
    return [norms.sum() / count, far.sum() / count]


def _lonely(found: _Found, rows: int, columns: int) -> Any | None:
    """The part of the anchors that the loss gives no positive, as its own mask has it."""
    for node, branch in zip(found.path, found.branches, strict=True):
        name = type(node).__name__
        if name in _LOGARITHMS:
            return None
        mask = _mask(node, name, branch)
        if mask is None or tuple(mask.shape) != (rows, columns):
            continue
        mask = mask != 0
        positives = mask.sum(1)
        if found.is_self:
            positives = positives - mask.diagonal().long()
        return (positives == 0).float().mean()
    return None


def _mask(node: Any, name: str, branch: int) -> Any | None:
    match name:
        case "MulBackward0":
            return next((v for v in _constants(node) if v.dim() == 2), None)
        case "WhereBackward0":
            mask = node._saved_condition
            return mask if branch == 0 else ~mask
        case "MaskedFillBackward0":
            return ~node._saved_mask
        case "MaskedSelectBackward0":
            return node._saved_mask
        case "IndexBackward0":
            indices = node._saved_indices
            return indices[0] if len(indices) == 1 and indices[0].dim() == 2 else None
    return None
