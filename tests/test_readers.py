"""Who reads a tensor, and where objects and functions leave the view of the file."""

from __future__ import annotations

import textwrap

import pytest

from trainlint.semantics import escapes
from trainlint.semantics.facts import File
from trainlint.semantics.readers import Readers
from trainlint.semantics.reads import Reads
from trainlint.testing import file_of

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"


def with_head(code: str) -> File:
    return file_of(HEAD + textwrap.dedent(code))


def read(code: str, along: int | None = None) -> tuple[File, Reads]:
    """The reads of the first sigmoid; every ``loss(...)`` is a loss on logits."""
    file = with_head(code)
    sigmoid = next(c for c in file.calls if file.text(c.func) in {"torch.sigmoid", "F.softmax"})
    losses = frozenset(c for c in file.calls if file.text(c.func) == "loss")
    return file, Readers(file, losses, along).of(sigmoid)


def others(code: str, along: int | None = None) -> list[str]:
    """The texts of the reads that must get the activation back."""
    file, reads = read(code, along)
    assert not reads.escapes
    assert not reads.changes
    return [file.text(expr) for expr in reads.others]


def whys(code: str) -> list[str]:
    _, reads = read(code)
    return [escape.why for escape in (*reads.escapes, *reads.changes)]


def body(code: str) -> str:
    return "def f(z, y, other):\n    p = torch.sigmoid(z)\n" + textwrap.indent(
        textwrap.dedent(code), "    "
    )


def test_a_tensor_that_only_the_loss_reads_has_no_other_readers() -> None:
    _, reads = read(body("loss(p.view(-1).float(), y)"))
    assert len(reads.losses) == 1
    assert not reads.others


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("m = p.mean()", ["p"]),
        ("m = (p > 0.5).sum()", ["p"]),
        ("m = p[:, 1] + 1", ["p"]),
        ("m = p.squeeze(1).round()", ["p"]),
        ("m = torch.cat([p, p])", ["p", "p"]),
        ("m = [x for x in p]", ["p"]),
        ("m = lambda: p", ["p"]),
        ("m = [x for x, t in zip(p, y)]", ["p"]),
        ("self.last = p", ["p"]),
        ("log['p'] = p", ["p"]),
        ("def g(q=p):\n    return q", ["p"]),
        ("def g():\n    return p", ["p"]),
        ("publish(p)", ["p"]),
        ("publish(**{'p': 1}, q=p)", ["p"]),
        ("yield p", ["p"]),
        ("assert p.max() <= 1, p", ["p", "p"]),
        ("q = p\nm = q.mean()", ["p"]),
        ("m = p.type(torch.float64)", ["p"]),
        ("p.backward(torch.ones_like(p))", ["p"]),
        ("x = y if y.sum() else p\nprint(x)", ["p"]),
        ("while p.mean() > 0:\n    break", ["p"]),
        ("torch.autograd.grad(p, z)", ["p"]),
    ],
)
def test_every_other_read_is_found_and_wrapped_once(line: str, wanted: list[str]) -> None:
    assert others(body(f"loss(p, y)\n{line}")) == wanted


@pytest.mark.parametrize(
    "line",
    [
        "m = p.argmax(1)",
        "m = torch.ones_like(p)",
        "m = p.shape[0] + p.size(0) + len(p) + p.dim()",
        "m = p.type()",
        "m = p is not None and isinstance(p, torch.Tensor)",
        "del p",
        "p",
    ],
)
def test_what_sees_no_values_needs_no_activation(line: str) -> None:
    assert others(body(f"loss(p, y)\n{line}")) == []


def test_the_order_is_kept_along_the_dimension_of_a_softmax_only() -> None:
    code = "def f(z, y):\n    p = F.softmax(z, 1)\n    loss(p, y)\n    m = p.argmax({})\n"
    assert others(code.format("1"), along=1) == []
    assert others(code.format("0"), along=1) == ["p"]
    assert others(code.format(""), along=1) == ["p"]


@pytest.mark.parametrize(
    "line",
    [
        "p *= 2",
        "p[p > 0.5] = 1",
        "p[0] += 1",
        "p.mul_(2)",
        "p.view(-1)[0] = 3",
        "q = p.squeeze()\nq.zero_()",
        "q = p[0]\nq.copy_(z)",
        "p.data[0] = 1",
        "p.clamp_(0.1, 0.9)",
        "torch.mul(p, 2, out=p)",
        "F.relu_(p)",
    ],
)
def test_a_change_in_place_is_seen_through_names_and_views(line: str) -> None:
    assert "the output is changed in place" in whys(body(f"loss(p, y)\n{line}"))


def test_a_function_that_changes_its_argument_is_looked_into() -> None:
    code = "def post(q):\n    q[q > 0.5] = 1\n" + body("loss(p, y)\npost(p)")
    assert whys(code) == ["the output is changed in place"]


@pytest.mark.parametrize(
    "line", ["p.retain_grad()", "p.register_hook(print)", "m = p.grad", "torch.autograd.grad(z, p)"]
)
def test_its_own_gradient_cannot_be_made_up_for(line: str) -> None:
    (why,) = whys(body(f"loss(p, y)\n{line}"))
    assert "gradient" in why


def test_the_parts_of_a_container_are_told_apart() -> None:
    code = """
    class Net(nn.Module):
        def forward(self, x):
            return {"p": torch.sigmoid(x), "h": x}
    net = Net()
    def f(x, y):
        out = net(x)
        loss(out["p"], y)
        a = out["h"].mean()
        b = out.get("p") + out["p"]
        c = out.keys()
    """
    file, reads = read(code)
    assert [file.text(e) for e in reads.others] == ['out.get("p")', 'out["p"]']
    assert not reads.escapes


@pytest.mark.parametrize(
    "line",
    ["s = out.values()", "for k, v in out.items(): print(v)", "g(**out)", "s = out[k]", "h(out)"],
)
def test_a_container_that_is_used_whole_is_an_escape(line: str) -> None:
    code = (
        f'def f(x, y, k):\n    out = {{"p": torch.sigmoid(x)}}\n    loss(out["p"], y)\n    {line}\n'
    )
    assert whys(code)


@pytest.mark.parametrize("line", ["b = out[-1]", "b = out[1:]", "a, *b = out"])
def test_a_part_of_a_tuple_that_is_not_counted_from_the_left_is_an_escape(line: str) -> None:
    assert whys(f"def f(x, y):\n    out = x, torch.sigmoid(x)\n    loss(out[1], y)\n    {line}\n")


def test_a_dict_handed_to_a_function_of_the_file_keeps_its_keys_there() -> None:
    code = """
    def total(out, y):
        return loss(out["p"], y) + out["h"].abs().mean() + out["p"].sum()
    def f(x, y):
        return total({"p": torch.sigmoid(x), "h": x}, y)
    """
    file, reads = read(code)
    assert [file.text(e) for e in reads.others] == ['out["p"]']


def test_what_a_function_returns_is_read_by_its_callers() -> None:
    code = """
    def score(x):
        return torch.sigmoid(x)
    def f(x, y):
        loss(score(x), y)
        return score(x) > 0.5
    """
    assert others(code) == ["score(x)"]


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ("scores = list(map(score, [1, 2]))", "handed on or kept"),
        ("table = {'s': score}", "handed on or kept"),
    ],
)
def test_a_function_that_is_handed_on_has_unknown_callers(extra: str, why: str) -> None:
    code = f"def score(x):\n    return torch.sigmoid(x)\nloss(score(1), 2)\n{extra}\n"
    assert why in whys(code)[0]


def test_a_decorator_sees_what_a_function_returns() -> None:
    code = "@{}\ndef score(x):\n    return torch.sigmoid(x)\nloss(score(1), 2)\n"
    assert "a decorator stands between" in whys(code.format("logged"))[0]
    assert whys(code.format("torch.no_grad()")) == []


def test_an_awaited_result_is_followed_and_a_coroutine_is_not() -> None:
    code = """
    async def score(x):
        return torch.sigmoid(x)
    async def f(x, y):
        loss(await score(x), y)
        a = (await score(x)).mean()
    """
    assert others(code) == ["await score(x)"]
    assert whys(code + "    b = gather(score(x))\n") == ["`score` is awaited elsewhere"]


def test_a_method_that_no_call_names_has_unknown_readers() -> None:
    code = """
    class A:
        def __getitem__(self, x):
            return torch.sigmoid(z)
        def f(self):
            return loss(self.__getitem__(3), 1)
    """
    assert "`__getitem__` is called by operators and statements" in whys(textwrap.dedent(code))


def test_a_method_that_a_subclass_replaces_may_be_another_one() -> None:
    code = """
    class A:
        def score(self, x):
            return torch.sigmoid(x)
        def f(self, x):
            return loss(self.score(x), 1)
    """
    assert whys(code) == []
    below = "class B(A):\n    def score(self, x):\n        return x\n"
    assert whys(textwrap.dedent(code) + below) == ["a subclass has another `score`"]


# Objects


def object_escapes(code: str) -> list[str]:
    """Why the object that the first ``nn.Sigmoid()`` builds is not only called."""
    file = with_head(code)
    made = next(c for c in file.calls if file.text(c.func) == "nn.Sigmoid")
    applied = [c for c in file.calls if any(_made(v) is made for v in file.values.callees(c))]
    return [escape.why for escape in escapes.of_object(file, made, applied)]


def _made(value: object) -> object:
    return getattr(value, "call", None)


@pytest.mark.parametrize(
    "code",
    [
        "act = nn.Sigmoid()\nact(x)\n",
        "act = nn.Sigmoid().to(device)\nact = act.eval()\nact(x)\n",
        "class A:\n    def __init__(self):\n        self.act = nn.Sigmoid()\n"
        "    def f(self, x):\n        return self.act(x)\n",
        "def run(f, x):\n    return f(x)\nrun(nn.Sigmoid(), 1)\n",
        "act = nn.DataParallel(nn.Sigmoid())\nact(x)\nact.module(x)\n",
        "act = nn.Sigmoid()\nprint(act, isinstance(act, nn.Module))\nact(x)\n",
    ],
)
def test_an_object_that_is_only_called_does_not_escape(code: str) -> None:
    assert object_escapes(code) == []


@pytest.mark.parametrize(
    "code",
    [
        "act = nn.Sigmoid()\nnn.Sequential(layer, act)\n",
        "acts = [nn.Sigmoid()]\nfor act in acts:\n    act(x)\n",
        "act = nn.Sigmoid()\nregister(act)\n",
        "act = nn.Sigmoid()\nact.register_forward_hook(print)\n",
        "act = nn.Sigmoid()\nact.forward(x)\n",
        "act = nn.Sigmoid()\nREGISTRY['act'] = act\n",
        "act = nn.Sigmoid()\nlater = lambda x: act\n",
        "class A:\n    def __init__(self):\n        self.act = nn.Sigmoid()\ngetattr(a, 'act')\n",
        "class A:\n    def __init__(self):\n        self.act = nn.Sigmoid()\n"
        "    def f(self, x):\n        return self.act(x)\n"
        "class B(A):\n    def __init__(self):\n        self.act = nn.Tanh()\n",
    ],
)
def test_an_object_that_others_may_run_escapes(code: str) -> None:
    assert object_escapes(code)


def test_an_attribute_of_that_name_on_something_else_is_no_escape() -> None:
    code = """
    class A:
        def __init__(self):
            self.act = nn.Sigmoid()
        def f(self, x):
            return self.act(x)
    class B:
        def __init__(self):
            self.act = nn.Tanh()
        def f(self, x):
            return [a for a in self.act]
    """
    assert object_escapes(code) == []


CLASS = """
class Net(nn.Module):
    def forward(self, x):
        return torch.sigmoid(x)
net = Net()
loss(net(x), y)
"""


@pytest.mark.parametrize(
    "line",
    [
        "a = net(x)",
        "a = net.forward(x)",
        "a = net.__call__(x)",
        "a = nn.DataParallel(net)(x)",
        "net.to(device).eval()(x)",
        "torch.optim.Adam(net.parameters())",
        "class Sub(Net):\n    pass",
        "def build() -> Net:\n    return Net()",
        "isinstance(net, Net)",
        "class Sub(Net):\n    def f(self, a: Net):\n        super(Net, self).f(a)",
        "other = net\nother(x)",
    ],
)
def test_a_model_that_is_called_in_the_open_has_known_readers(line: str) -> None:
    assert whys(CLASS + line + "\n") == []


@pytest.mark.parametrize(
    "line",
    [
        "a = map(net, xs)",
        "f = net.forward",
        "evaluate(net)",
        "models = {'net': net}\nmodels['net'](x)\nfor m in models.values(): m(x)",
        "net.register_forward_hook(hook)",
        "MODELS = [Net]",
        "MODELS['net'](x).forward(x)",
        "nn.Sequential(net, nn.Flatten())",
        "class Sub(Net):\n    def f(self):\n        publish(self)",
        "class Sub(Net):\n    def forward(self, x):\n        return x\n    def f(self, x):\n"
        "        return self(x)\nSub().register_forward_hook(print)",
    ],
)
def test_a_model_that_is_handed_on_has_unknown_readers(line: str) -> None:
    assert whys(CLASS + line + "\n")
