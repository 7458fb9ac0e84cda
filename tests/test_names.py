"""Names: which binding a name has, and which qualified name follows from it."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.semantics import lower, tree
from trainlint.semantics.names import Names, canonical, open_scopes


def named(code: str, local: frozenset[str] = frozenset()) -> str | None:
    """The qualified name of the argument of the one call of ``probe``."""
    module = lower.parse(textwrap.dedent(code))
    calls = module.kinds[tree.Call]
    call = next(c for c in calls if tree.dotted(c.func) == "probe")
    open_scopes(module, local)
    return Names().qualified(call.args[0].value)


def bound_at(code: str) -> list[int]:
    """The lines of the bindings that ``probe``'s argument can have."""
    text = textwrap.dedent(code)
    module = lower.parse(text)
    call = next(c for c in module.kinds[tree.Call] if tree.dotted(c.func) == "probe")
    name = call.args[0].value
    assert isinstance(name, tree.Name)
    open_scopes(module, frozenset())
    found = Names().find(name.id, name)
    return [] if found is None else [text.count("\n", 0, b.node.start) + 1 for b in found[1]]


@pytest.mark.parametrize(
    "code",
    [
        "import torch\nprobe(torch.nn.BCELoss)",
        "import torch.nn as nn\nprobe(nn.BCELoss)",
        "from torch import nn\nprobe(nn.BCELoss)",
        "from torch.nn import BCELoss as Loss\nprobe(Loss)",
        "from torch.nn.modules.loss import BCELoss\nprobe(BCELoss)",
        "import torch\nnn = torch.nn\nLoss = nn.BCELoss\nprobe(Loss)",
        "import torch.nn.functional\nprobe(torch.nn.BCELoss)",
        "if new:\n    import torch.nn as nn\nelse:\n    from torch import nn\nprobe(nn.BCELoss)",
        "def f():\n    from torch import nn\n    def g():\n        probe(nn.BCELoss)",
    ],
)
def test_a_name_of_a_library_is_known_however_it_is_imported(code: str) -> None:
    assert named(code) == "torch.nn.BCELoss"


@pytest.mark.parametrize(
    "code",
    [
        "import torch.nn as nn\nnn = make()\nprobe(nn.BCELoss)",
        "import torch.nn as nn\ndef f(nn):\n    probe(nn.BCELoss)",
        "import torch.nn as nn\nfor nn in libraries:\n    probe(nn.BCELoss)",
        "import torch.nn as nn\nwith open(p) as nn:\n    probe(nn.BCELoss)",
        "import torch.nn as nn\n[probe(nn.BCELoss) for nn in libraries]",
        "import torch.nn as nn\nf = lambda nn: probe(nn.BCELoss)",
        "import torch.nn as nn\nclass nn:\n    pass\nprobe(nn.BCELoss)",
        "try:\n    import torch.nn as nn\nexcept ImportError:\n    nn = None\nprobe(nn.BCELoss)",
        "from torch.nn import *\nprobe(BCELoss)",
        "probe(nn.BCELoss)",
    ],
)
def test_a_name_that_may_be_something_else_has_no_qualified_name(code: str) -> None:
    assert named(code) is None


def test_a_class_hides_its_names_from_its_methods() -> None:
    code = (
        "import torch.nn as nn\nclass A:\n    nn = 3\n    def f(self):\n        probe(nn.BCELoss)"
    )
    assert named(code) == "torch.nn.BCELoss"
    assert named("import torch.nn as nn\nclass A:\n    nn = 3\n    probe(nn.BCELoss)") is None


def test_a_default_is_evaluated_outside_of_the_function_and_the_body_inside() -> None:
    outside = "import torch.nn as nn\ndef f(nn=probe(nn.BCELoss)):\n    pass"
    assert named(outside) == "torch.nn.BCELoss"
    decorated = "import torch.nn as nn\n@probe(nn.BCELoss)\ndef f(nn):\n    pass"
    assert named(decorated) == "torch.nn.BCELoss"


def test_the_first_iterable_of_a_comprehension_is_evaluated_outside() -> None:
    assert named("import torch.nn as nn\n[nn for nn in probe(nn.BCELoss)]") == "torch.nn.BCELoss"
    later = "import torch.nn as nn\n[x for nn in a for x in probe(nn.BCELoss)]"
    assert named(later) is None


def test_a_module_of_the_project_is_no_library() -> None:
    code = "from losses import BCELoss\nprobe(BCELoss)"
    assert named(code) == "losses.BCELoss"
    assert named(code, frozenset({"losses"})) == ".losses.BCELoss"
    assert named("from .losses import BCELoss\nprobe(BCELoss)") == ".losses.BCELoss"
    assert named("from ..a import b\nprobe(b.c)") == "..a.b.c"


def test_builtins_have_names_until_they_are_bound() -> None:
    assert named("probe(print)") == "builtins.print"
    assert named("print = log\nprobe(print)") is None
    assert named("from x import *\nprobe(hash)") is None


def test_names_that_are_aliases_of_each_other_end() -> None:
    assert named("a = b\nb = a\nprobe(a)") is None


def test_a_library_keeps_a_class_in_more_than_one_place() -> None:
    assert canonical("pytorch_lightning.Trainer") == "lightning.pytorch.Trainer"
    assert canonical("torch.cuda.amp.grad_scaler.GradScaler") == "torch.cuda.amp.GradScaler"


def test_global_binds_in_the_module_past_the_functions_between() -> None:
    code = """
    best = 0
    def outer():
        best = 1
        def inner():
            global best
            best = 2
            probe(best)
    """
    assert bound_at(code) == [2, 7]


def test_nonlocal_binds_in_the_nearest_function_that_has_the_name() -> None:
    code = """
    best = 0
    def outer():
        best = 1
        def middle():
            def inner():
                nonlocal best
                best = 2
            probe(best)
    """
    assert bound_at(code) == [4, 8]


def test_a_function_that_is_declared_global_is_known_in_the_module() -> None:
    code = """
    def setup():
        global step
        def step():
            pass
    probe(step)
    """
    assert bound_at(code) == [4]


def test_an_import_that_is_declared_global_is_known_everywhere() -> None:
    code = """
    def setup():
        global nn
        import torch.nn as nn
    def build():
        probe(nn.BCELoss)
    """
    assert named(code) == "torch.nn.BCELoss"


def test_a_walrus_in_a_comprehension_binds_around_it() -> None:
    assert bound_at("[y := f(x) for x in xs]\nprobe(y)\n") == [1]
    assert bound_at("[x for x in xs]\nprobe(x)\n") == []


def test_every_target_of_an_unpacking_is_bound() -> None:
    assert bound_at("a, (b, *c) = f()\nprobe(c)\n") == [1]
    assert bound_at("for i, (x, y) in pairs:\n    probe(y)\n") == [1]
    assert bound_at("match p:\n    case [x, *rest]:\n        probe(rest)\n") == [2]
    assert bound_at("try:\n    f()\nexcept ValueError as error:\n    probe(error)\n") == [3]


def test_an_annotation_without_a_value_binds_nothing() -> None:
    assert bound_at("x: int\nprobe(x)\n") == []
    assert bound_at("x: int = 3\nprobe(x)\n") == [1]
