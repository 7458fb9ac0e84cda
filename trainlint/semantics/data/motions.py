"""What moves the pixels of an image at random, and what leaves each of them where it lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trainlint.semantics import tree
from trainlint.semantics.data import augmentation
from trainlint.semantics.kinds import Display, Instance, Value
from trainlint.semantics.tree import Expr, Node

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

_FLIPPED, _ROTATED, _CROPPED, _WARPED = "flipped", "rotated", "cropped", "warped"
_FUNCTIONS = {
    "hflip": _FLIPPED,
    "vflip": _FLIPPED,
    "horizontal_flip": _FLIPPED,
    "vertical_flip": _FLIPPED,
    "fliplr": _FLIPPED,
    "flipud": _FLIPPED,
    "flip": _FLIPPED,
    "mirror": _FLIPPED,
    "rot90": _ROTATED,
    "rotate": _ROTATED,
    "affine": _WARPED,
    "perspective": _WARPED,
    "elastic_transform": _WARPED,
    "warpAffine": _WARPED,
    "warpPerspective": _WARPED,
    "resized_crop": _CROPPED,
    "crop": _CROPPED,
    "center_crop": _CROPPED,
}
_LIBRARIES = (
    "torchvision.transforms.",
    "cv2.",
    "numpy.",
    "torch.",
    "PIL.ImageOps.",
    "scipy.ndimage.",
    "albumentations.",
)
_PICTURES = frozenset({"rotate", "crop"})  # methods of a picture of PIL
_CLASSES = {
    "RandomHorizontalFlip": _FLIPPED,
    "RandomVerticalFlip": _FLIPPED,
    "HorizontalFlip": _FLIPPED,
    "VerticalFlip": _FLIPPED,
    "Flip": _FLIPPED,
    "RandomRotation": _ROTATED,
    "Rotate": _ROTATED,
    "SafeRotate": _ROTATED,
    "RandomRotate90": _ROTATED,
    "RandomAffine": _WARPED,
    "RandomPerspective": _WARPED,
    "ShiftScaleRotate": _WARPED,
    "ElasticTransform": _WARPED,
    "GridDistortion": _WARPED,
    "OpticalDistortion": _WARPED,
    "RandomCrop": _CROPPED,
    "RandomResizedCrop": _CROPPED,
    "RandomSizedCrop": _CROPPED,
}
# What gives an array another type or layout, and leaves each pixel and point where it lies.
SAME_METHODS = frozenset(
    "astype float long int bool half double byte copy clone unsqueeze to numpy permute contiguous "
    "convert tolist type reshape view detach".split()
)
SAME_FUNCTIONS = frozenset(
    "array asarray tensor as_tensor from_numpy FloatTensor LongTensor Tensor ascontiguousarray "
    "expand_dims stack uint8 float32 int64 fromarray to_tensor pil_to_tensor BoundingBoxes Mask "
    "deepcopy copy list tuple float int".split()
)
_DRAWING = ("random.", "numpy.random.", "torch.rand")
MAX_STEPS = 25


def given_to(file: File, name: tree.Name) -> list[tuple[Expr, tuple[int | str, ...]]] | None:
    """What can have been given to a name, None where something else than assignments gives it."""
    bindings, unbound = file.values.definitions(name)
    if unbound or not bindings:
        return None
    found: list[tuple[Expr, tuple[int | str, ...]]] = []
    for binding in bindings:
        if binding.kind != "assign" or binding.value is None:
            return None
        value, path = binding.value, binding.path
        while path and isinstance(value, tree.Sequence) and isinstance(path[0], int):
            if path[0] >= len(value.elts):
                return None
            value, path = value.elts[path[0]], path[1:]
        found.append((value, path))
    return found


def moves_of(name: str) -> set[str]:
    """How a function of a library moves what it is given, by names that may mean the same."""
    how = _FUNCTIONS.get(name.rpartition(".")[2]) if name.startswith(_LIBRARIES) else None
    if how is None:
        return set()
    return {_ROTATED, _WARPED} if how in {_ROTATED, _WARPED} else {how}


@dataclass(slots=True)
class Moves:
    """The way back from an image, up to what moves it at random; ``shared`` moves are no matter."""

    file: File
    getter: tree.FunctionDef
    shared: set[str]
    deed: Expr | None = None
    how: str = ""
    made: Node | None = None
    seen: set[Node] = field(default_factory=set)

    def walk(self, expr: Expr) -> None:
        if expr in self.seen or self.deed is not None or len(self.seen) > MAX_STEPS:
            return
        self.seen.add(expr)
        match expr:
            case tree.Name():
                for value, path in given_to(self.file, expr) or ():
                    if not path:
                        self.walk(value)
            case tree.Subscript(value=tree.Call() as call, index=[tree.Constant(value="image")]):
                self._call(call)  # self.augment(image=image)["image"]
            case tree.Subscript(value=inner, index=index) if _is_mirrored(index):
                if _FLIPPED not in self.shared and _is_drawn(self.file, expr, self.getter):
                    self._tell(expr, _FLIPPED, expr)
                else:
                    self.walk(inner)
            case tree.Subscript():
                self.walk(expr.value)
            case tree.BinOp():
                self.walk(expr.left)
            case tree.IfExp():
                self.walk(expr.body)
                self.walk(expr.orelse)
            case tree.Call():
                self._call(expr)
            case _:
                pass

    def _tell(self, deed: Expr, how: str, made: Node) -> None:
        self.deed, self.how, self.made = deed, how, made

    def _call(self, call: tree.Call) -> None:
        func = call.func
        others = [a for a in call.args if a.keyword not in {None, "image", "img"}]
        short = tree.last_name(func)
        how = _FUNCTIONS.get(short)
        name = self.file.names.qualified(func)
        known = name is not None and name.startswith(_LIBRARIES)
        if isinstance(func, tree.Attribute) and name is None:
            known = short in _PICTURES or _is_left_right(self.file, call)
            how = _FLIPPED if _is_left_right(self.file, call) else how
        if how is not None and known:
            if how not in self.shared and _is_drawn(self.file, call, self.getter):
                self._tell(call, how, call)
                return
        elif not known and not any(a.keyword in {"mask", "masks", "bboxes"} for a in others):
            for value in self.file.values.of(func):
                found = _geometric(self.file, [value], 4)
                alone = len(call.positional) + len(call.args) <= 2
                if found is not None and alone and found[0] not in self.shared:
                    self._tell(call, found[0], found[1])
                    return
        given = call.arg(0, "image")
        if isinstance(func, tree.Attribute) and name is None and short in SAME_METHODS:
            given = func.value
        if given is not None:
            self.walk(given)


def _is_left_right(file: File, call: tree.Call) -> bool:
    """True for ``picture.transpose(Image.FLIP_LEFT_RIGHT)``."""
    if tree.last_name(call.func) != "transpose" or len(call.args) != 1:
        return False
    name = file.names.qualified(call.args[0].value) or ""
    return name.startswith("PIL.") and "FLIP" in name


def _is_mirrored(index: list[Expr]) -> bool:
    """True for ``image[:, ::-1]``, the columns from right to left; the channels come last."""
    if not 2 <= len(index) <= 3:
        return False
    found = [
        isinstance(item, tree.Slice)
        and isinstance(item.step, tree.UnaryOp)
        and isinstance(item.step.operand, tree.Constant)
        for item in index
    ]
    return found[1] and not any(found[2:])


def _is_drawn(file: File, node: Node, getter: tree.FunctionDef) -> bool:
    """True where a place runs by chance, or does what a number that is drawn says."""
    if isinstance(node, tree.Call) and any(
        draws(file, arg.value, getter) for arg in node.args[1:] or node.args
    ):
        return True
    below = node
    for above in node.ancestors():
        if above is getter:
            return False
        tested = isinstance(above, tree.If | tree.IfExp) and below is not above.test
        if tested and draws(file, above.test, getter):  # type: ignore[attr-defined]
            return True
        below = above
    return False


def draws(file: File, expr: Expr, getter: tree.FunctionDef, depth: int = 3) -> bool:
    """True for a number that is drawn, also by a name of the same function."""
    if draws_itself(file, expr):
        return True
    for node in expr.walk():
        if isinstance(node, tree.Name) and depth and tree.function_of(node) is getter:
            for value, _ in given_to(file, node) or ():
                if draws(file, value, getter, depth - 1):
                    return True
    return False


def draws_itself(file: File, expr: Expr) -> bool:
    """True for an expression in which a number is drawn."""
    return any(
        isinstance(node, tree.Call) and (file.names.qualified(node.func) or "").startswith(_DRAWING)
        for node in expr.walk()
    )


def _geometric(file: File, values: list[Value], depth: int) -> tuple[str, Node] | None:
    """What of a transform, or of a composition of several, moves an image at random."""
    for value in values if depth else ():
        match value:
            case Instance() if value.name.startswith(
                ("torchvision.transforms.", "albumentations.")
            ):
                short = value.name.rpartition(".")[2]
                if short in _CLASSES and not _is_off(file, value.call):
                    return _CLASSES[short], value.call
                given = value.call.arg(0, "transforms") if short in augmentation.HOLDERS else None
                inner = file.values.of(given, value.frame) if given is not None else []
            case Display(expr=tree.Sequence() as listed):
                inner = [v for item in listed.elts for v in file.values.of(item, value.frame)]
            case _:
                continue
        found = _geometric(file, inner, depth - 1)
        if found is not None:
            return found
    return None


def _is_off(file: File, call: tree.Call) -> bool:
    """True for ``p=0``, and for no degrees where nothing else is given that would move it."""
    if file.values.literal(call.arg(None, "p")) == 0:
        return True
    angle = call.arg(0, "degrees") or call.arg(None, "limit")
    more = any(call.arg(None, name) is not None for name in ("translate", "scale", "shear"))
    return angle is not None and file.values.literal(angle) == 0 and not more
