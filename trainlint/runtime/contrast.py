"""The matrix of similarities inside of a contrastive loss, found in the loss's graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainlint.runtime.events import Similarity
from trainlint.runtime.pairs import SOFTMAX, Path, Step, constants, is_at_hand, is_softmax, pairs_of
from trainlint.runtime.places import Place

if TYPE_CHECKING:
    from trainlint.runtime.session import Session

NODES = 200  # of a graph that are looked at; the matrix is near the loss
FIRST, EVERY, RARELY, MOST = 6, 10, 100, 60  # calls that are looked at
NEAR = 0.01  # of a norm to 1
LEAST = 1e-6  # the norm of a row that is there at all

_PRODUCTS = {  # and what they keep of the features
    "MmBackward0": ("self", "mat2"),
    "BmmBackward0": ("self", "mat2"),
    "CdistBackward0": ("x1", "x2"),
    "EuclideanDistBackward0": ("x1", "x2"),
}
_TURNS = frozenset(
    f"{name}Backward0"
    for name in "T Transpose Permute View UnsafeView Expand ReshapeAlias Clone Unsqueeze "
    "ToCopy".split()
)
_LAYERS = frozenset(f"{name}Backward0" for name in "Addmm Mm Bmm Convolution Embedding".split())


@dataclass(slots=True)
class _Found:
    product: Any
    path: Path  # from the loss to it
    around: list[tuple[Path, int]]  # a path through each node on the way, and its place on it
    is_self: bool
    is_softmax: bool  # they are compared in one


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
        ours, theirs = (_saved(found.product, n) for n in _PRODUCTS[type(found.product).__name__])
        if ours is None:
            return
        are_distances = "dist" in type(found.product).__name__.lower()
        temperature = _temperature(found) if found.is_softmax and not are_distances else False
        shape = (len(ours), len(ours) if theirs is None or found.is_self else theirs.shape[-1])
        pairs = pairs_of(
            found.path,
            found.around,
            shape,
            is_self=found.is_self,
            are_distances=are_distances,
        )
        if temperature is False and pairs is None:
            return
        self._has_found = True
        norms = _norms(ours) if temperature is not False else []
        batches, step = tuple(self._session.windows.batches), self._session.record.steps + 1
        labels = batches[0].labels if len(batches) == 1 else None

        def arrived(values: list[float]) -> None:
            lonely = None
            if pairs is not None:
                lonely = pairs.without_positive(values[len(norms) :], labels, shape[0])
            self._session.tell(
                Similarity(
                    *shape,
                    temperature or None,
                    values[0] if norms else None,
                    values[1] if norms else None,
                    lonely,
                    batches,
                    step,
                    place,
                )
            )

        self._session.readings.take([*norms, *(pairs.numbers if pairs else ())], arrived)


def _search(root: Any) -> _Found | None:
    """The product of features with each other, nearest to the loss."""
    before: dict[Any, list[Step]] = {root: []}  # the nearest one first
    queue = deque([root])
    found: _Found | None = None
    for _ in range(NODES):
        node = queue.popleft() if queue else None
        if node is None:
            break
        name = type(node).__name__
        if name in _PRODUCTS or name in _LAYERS:  # what is behind is no similarity of this loss
            found = found or _product(node, before)
            continue
        for index, (following, _) in enumerate(node.next_functions):
            if following is None:
                continue
            if following not in before:
                before[following] = []
                queue.append(following)
            before[following].append((node, index))
    if found is not None:
        found.around = list(_around(found.product, before))
    return found


def _around(product: Any, before: dict[Any, list[Step]]) -> Iterator[tuple[Path, int]]:
    """A path from the loss to a product through each node in between, and its place there."""
    below: dict[Any, list[Step]] = {product: []}
    stack = [product]
    while stack:
        at = stack.pop()
        for node, branch in before[at]:
            rest = [(node, branch), *below[at]]
            above = _path_to(node, before)
            yield [*above, *rest], len(above)
            if node not in below:
                below[node] = rest
                stack.append(node)


def _path_to(node: Any, before: dict[Any, list[Step]]) -> list[Step]:
    """The shortest one from the loss."""
    path = []
    while before[node]:
        path.append(before[node][0])
        node = path[-1][0]
    return path[::-1]


def _product(node: Any, before: dict[Any, list[Step]]) -> _Found | None:
    if type(node).__name__ not in _PRODUCTS:
        return None
    (left, _), (right, _) = node.next_functions[:2]
    ours, theirs = _origin(left), _origin(right)
    if ours is None or theirs is None:
        return None
    is_self = ours is theirs
    if not is_self and (_is_of_weights(ours) or _is_of_weights(theirs)):
        return None
    path = _path_to(node, before)
    if not is_self and "NllLossBackward0" not in {type(one).__name__ for one, _ in path}:
        return None
    return _Found(node, path, [], is_self, is_softmax(path))


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
    if not is_at_hand(node, name):
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


def _temperature(found: _Found) -> float | bool | None:
    """What divides the similarities before their logarithm; False: no temperature below 1."""
    for node, _ in reversed(found.path):
        name = type(node).__name__
        if name in SOFTMAX or name in ("SubBackward0", "ExpBackward0"):
            return False
        if name not in ("DivBackward0", "MulBackward0"):
            continue
        values = [v for v in constants(node) if v.numel() > 1]
        if values:
            return False  # a norm, or a mask: what it does to the features is unknown
        scalars = [v for v in constants(node) if v.numel() == 1]
        if not scalars or scalars[0].requires_grad or scalars[0].device.type != "cpu":
            return None
        number = abs(float(scalars[0]))
        if name == "MulBackward0":
            number = 1 / number if number else 0.0
        return number if 0 < number < 1 else False
    return False


def _norms(features: Any) -> list[Any]:
    """The mean norm of the rows, and the part of them whose norm differs from 1."""
    import torch

    norms = torch.linalg.vector_norm(features.float(), dim=1)
    there = norms > LEAST
    count = there.sum().clamp(min=1)
    far = ((norms - 1).abs() > NEAR) & there
    return [norms.sum() / count, far.sum() / count]
