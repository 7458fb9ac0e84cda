"""What counts as code for some releases of a library only, and what does not."""

from __future__ import annotations

import pytest

from trainlint.semantics import releases, tree
from trainlint.testing import file_of

INSTEAD = frozenset({"torch.new"})

GUARDED = {
    "a version test": """
from packaging import version
if version.parse(torch.__version__) < version.parse("2.4"):
    USE
""",
    "the other side of it": """
if TORCH_VERSION >= (2, 4):
    torch.new()
else:
    USE
""",
    "a flag that holds its answer": """
NEW = hasattr(torch, "new")
MODERN = NEW
torch.new() if MODERN else USE
""",
    "a flag set by an import": """
try:
    from torch import new
    FOUND = True
except ImportError:
    FOUND = False
if not FOUND:
    USE
""",
    "a function that asks": """
def is_new():
    return "new" in dir(torch) or torch.__version__ > "2"
if not is_new():
    USE
""",
    "a return on newer releases": """
def make():
    if hasattr(torch, "new"):
        return torch.new()
    return USE
""",
    "a fallback": """
try:
    x = torch.new()
except TypeError:
    x = USE
""",
    "a try for a lack": """
try:
    x = USE
except AttributeError:
    x = None
""",
    "a signature": """
import inspect
x = torch.new() if "device" in inspect.signature(torch.new).parameters else USE
""",
}
PLAIN = {
    "another test": """
if args.fp16 and torch.cuda.is_available():
    USE
""",
    "the version of another library": """
import transformers
if transformers.__version__ > "4":
    USE
""",
    "a feature of an object": """
if hasattr(model, "module") or getattr(args, "fp16", False):
    USE
""",
    "a handler for everything around training": """
try:
    USE
except Exception as error:
    print(error)
""",
    "a library that must be there": """
try:
    USE
except ImportError:
    raise SystemExit("install it")
""",
    "an optional import of something else": """
try:
    import wandb
    HAS = True
except ImportError:
    HAS = False
if HAS:
    USE
""",
}


def is_guarded(text: str) -> bool:
    file = file_of(f"import torch\n{text}".replace("USE", "torch.old()"))
    (call,) = file.calls_to("torch.old")
    return releases.is_for_some_releases(file, call, "torch", INSTEAD)


@pytest.mark.parametrize("text", GUARDED.values(), ids=GUARDED.keys())
def test_code_that_chooses_by_release_is_guarded(text: str) -> None:
    assert is_guarded(text)


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN.keys())
def test_other_tests_and_handlers_choose_no_release(text: str) -> None:
    assert not is_guarded(text)


def imported(text: str) -> bool:
    file = file_of(text)
    alias = next(a for a in file.all(tree.Alias) if a.name == "old")
    return releases.is_for_some_releases(file, alias, "torch", INSTEAD)


def test_an_import_with_a_replacement_is_a_fallback() -> None:
    assert imported(
        "try:\n    import torch\n    from torch import old\n"
        "except ImportError:\n    def old():\n        pass\n"
    )
    assert imported("try:\n    from torch import old\nexcept:\n    old = None\n")


def test_an_import_beside_that_of_its_library_only_asks_for_the_library() -> None:
    assert not imported(
        "try:\n    import torch\n    from torch import old\nexcept ImportError:\n    torch = None\n"
    )
