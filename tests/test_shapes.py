"""The shapes of tensors, as the analysis says them and as torch computes them."""

from __future__ import annotations

import math
import re
import textwrap
from dataclasses import dataclass
from typing import Any

import pytest

from trainlint.semantics import tree
from trainlint.semantics.shapes import dimensions
from trainlint.semantics.shapes.forwards import Followed, follow
from trainlint.testing import file_of

HEAD = """\
import math
from collections import OrderedDict
import torch
import torch.nn as nn
import torch.nn.functional as F
"""


def followed(code: str, name: str = "Net") -> Followed:
    """The way through a model as the analysis follows it."""
    file = file_of(HEAD + textwrap.dedent(code))
    cls = next(one for one in file.all(tree.ClassDef) if one.name == name)
    found = follow(file, cls)
    assert found is not None
    return found


@dataclass(frozen=True)
class Model:
    """A program whose class ``Net`` takes tensors of these sizes.

    ``open`` tells that something in it cannot be known; otherwise every row must be exact.
    """

    code: str
    inputs: tuple[tuple[int, ...], ...]
    open: bool = False
    whole_numbers: bool = False  # the first input holds indices


def module(init: str, forward: str, more: str = "") -> str:
    """A program with the class ``Net`` of these lines."""
    lines = ["class Net(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    lines += [f"        {line}" for line in textwrap.dedent(init).strip().splitlines()]
    lines += [f"    {line}" for line in textwrap.dedent(forward).strip().splitlines()]
    return textwrap.dedent(more) + "\n" + "\n".join(lines) + "\n"


MODELS = {
    "digits": Model(
        module(
            """
            self.conv1 = nn.Conv2d(1, 32, 3, 1)
            self.conv2 = nn.Conv2d(32, 64, kernel_size=(3, 5), stride=2, padding=(1, 2))
            self.pool = nn.MaxPool2d(3, stride=2, padding=1)
            self.bn = nn.BatchNorm2d(64)
            self.fc = nn.Linear(64 * 7 * 7, 10, bias=False)
            """,
            """
            def forward(self, x):
                x = F.relu(self.conv1(x))
                x = self.pool(self.bn(self.conv2(x)))
                x = torch.flatten(x, 1)
                return F.log_softmax(self.fc(x), dim=1)
            """,
        ),
        ((4, 1, 28, 28),),
    ),
    "dilated and same": Model(
        module(
            """
            self.a = nn.Conv1d(6, 12, 5, dilation=3, groups=3, padding=2)
            self.b = nn.Conv1d(12, 8, 5, padding="same", bias=False)
            self.c = nn.Conv1d(8, 8, 3, stride=3, padding="valid")
            self.up = nn.ConvTranspose1d(8, 4, 4, stride=2, padding=1, output_padding=1)
            self.pool = nn.AvgPool1d(2)
            self.out = nn.AdaptiveAvgPool1d(5)
            """,
            """
            def forward(self, x):
                return self.out(self.pool(self.up(self.c(self.b(self.a(x))))))
            """,
        ),
        ((2, 6, 57),),
    ),
    "volumes": Model(
        module(
            """
            self.net = nn.Sequential(
                nn.Conv3d(2, 4, 3, stride=(1, 2, 2), padding=1),
                nn.BatchNorm3d(4),
                nn.ReLU(inplace=True),
                nn.MaxPool3d((1, 2, 2)),
                nn.ConvTranspose3d(4, 3, 2, 2),
                nn.AdaptiveMaxPool3d((1, None, 2)),
                nn.Flatten(2),
            )
            """,
            """
            def forward(self, x):
                return self.net(x)
            """,
        ),
        ((2, 2, 5, 17, 18),),
    ),
    "autoencoder": Model(
        module(
            """
            self.encoder = nn.Sequential(OrderedDict([
                ("down", nn.Conv2d(3, 8, 4, 2, 1)),
                ("act", nn.LeakyReLU(0.2)),
                ("pad", nn.ZeroPad2d((1, 0, 2, 1))),
            ]))
            self.decoder = nn.Sequential(
                nn.Upsample(scale_factor=2),
                nn.Conv2d(8, 12, 3, padding=1),
                nn.PixelShuffle(2),
                nn.ReflectionPad2d(1),
                nn.InstanceNorm2d(3, affine=True),
                nn.GroupNorm(3, 3),
            )
            """,
            """
            def forward(self, x):
                return self.decoder(self.encoder(x))
            """,
        ),
        ((2, 3, 12, 16),),
    ),
    "a network with skips": Model(
        module(
            """
            self.inc = Double(3, 8)
            self.down = Double(8, 16)
            self.pool = nn.MaxPool2d(2)
            self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
            self.mix = Double(16, 8, 4)
            self.head = nn.Conv2d(8, 2, 1)
            """,
            """
            def forward(self, x):
                one = self.inc(x)
                two = self.up(self.down(self.pool(one)))
                both = torch.cat([one, two], dim=1)
                return self.head(self.mix(both))
            """,
            """
            class Double(nn.Module):
                def __init__(self, fan_in, fan_out, middle=None):
                    super().__init__()
                    if not middle:
                        middle = fan_out
                    self.both = nn.Sequential(
                        nn.Conv2d(fan_in, middle, 3, padding=1, bias=False),
                        nn.BatchNorm2d(middle),
                        nn.ReLU(),
                        nn.Conv2d(middle, fan_out, 3, padding=1),
                    )

                def forward(self, x):
                    return self.both(x)
            """,
        ),
        ((2, 3, 16, 24),),
    ),
    "a residual network": Model(
        module(
            """
            self.blocks = nn.ModuleList([Block(4, 4), Block(4, 8, stride=2)])
            self.pool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(8, 3)
            """,
            """
            def forward(self, x):
                for block in self.blocks:
                    x = block(x)
                x = self.pool(x)
                x = x.view(x.size(0), -1)
                return self.fc(x)
            """,
            """
            def conv3x3(fan_in, fan_out, stride=1):
                return nn.Conv2d(fan_in, fan_out, 3, stride=stride, padding=1, bias=False)

            class Block(nn.Module):
                def __init__(self, fan_in, fan_out, stride=1):
                    super().__init__()
                    self.conv1 = conv3x3(fan_in, fan_out, stride)
                    self.conv2 = conv3x3(fan_out, fan_out)
                    self.shortcut = nn.Sequential()
                    if stride != 1 or fan_in != fan_out:
                        self.shortcut = nn.Sequential(
                            nn.Conv2d(fan_in, fan_out, 1, stride=stride),
                            nn.BatchNorm2d(fan_out),
                        )

                def forward(self, x):
                    out = F.relu(self.conv1(x))
                    out = self.conv2(out)
                    out += self.shortcut(x)
                    return F.relu(out)
            """,
        ),
        ((2, 4, 9, 11),),
    ),
    "a recurrent classifier": Model(
        module(
            """
            self.embed = nn.Embedding(50, 12, padding_idx=0)
            self.lstm = nn.LSTM(12, 7, num_layers=2, batch_first=True, bidirectional=True)
            self.gru = nn.GRU(14, 5)
            self.rnn = nn.RNN(5, 6, bias=False, batch_first=True)
            self.cell = nn.GRUCell(6, 3)
            """,
            """
            def forward(self, ids):
                batch, length = ids.shape
                x = self.embed(ids)
                x, (hidden, cell) = self.lstm(x)
                x, state = self.gru(x.transpose(0, 1))
                x, _ = self.rnn(x.permute(1, 0, 2))
                return self.cell(x[:, -1]), hidden[-1], state.squeeze(0)
            """,
        ),
        ((4, 9),),
        whole_numbers=True,
    ),
    "projected states": Model(
        module(
            "self.lstm = nn.LSTM(8, 10, num_layers=3, proj_size=4)",
            """
            def forward(self, x):
                out, (h, c) = self.lstm(x)
                return out, h, c
            """,
        ),
        ((6, 2, 8),),
    ),
    "attention": Model(
        module(
            """
            self.norm = nn.LayerNorm(16)
            self.attn = nn.MultiheadAttention(16, 4, batch_first=True)
            self.layer = nn.TransformerEncoderLayer(16, 2, dim_feedforward=24, batch_first=True)
            self.qkv = nn.Linear(16, 48, bias=False)
            self.heads = 4
            self.scale = (16 // 4) ** -0.5
            self.position = nn.Parameter(torch.zeros(1, 5, 16))
            """,
            """
            def forward(self, x):
                b, t, c = x.shape
                x = self.norm(x) + self.position
                y, _ = self.attn(x, x, x)
                x = self.layer(x + y)
                q, k, v = self.qkv(x).chunk(3, dim=-1)
                q = q.view(b, t, self.heads, c // self.heads).transpose(1, 2)
                k = k.reshape(b, t, self.heads, -1).transpose(1, 2)
                v = v.reshape(b, t, self.heads, -1).permute(0, 2, 1, 3)
                scores = (q @ k.transpose(-2, -1)) * self.scale
                mixed = torch.matmul(scores.softmax(dim=-1), v)
                return mixed.transpose(1, 2).contiguous().flatten(2).mean(dim=1)
            """,
        ),
        ((3, 5, 16),),
        open=True,  # that `t` is 5 follows from the addition only
    ),
    "views and parts": Model(
        module(
            """
            self.fc = nn.Linear(12, 24)
            self.norm = nn.BatchNorm1d(24)
            self.glu = nn.GLU()
            self.unflatten = nn.Unflatten(1, (3, 4))
            """,
            """
            def forward(self, x):
                batch, width = x.shape
                x = self.glu(self.norm(self.fc(x)))
                x = self.unflatten(x)
                left, right = x.split([1, 3], dim=2)
                x = torch.stack([right, right], dim=1).unsqueeze(-1)
                x = torch.cat((x, x), 3).squeeze(-1)
                top, _ = x.max(dim=2, keepdim=True)
                x = F.pad(top, (1, 2))
                x = x[:, 0, :, 1:-1][:, None]
                return x.reshape(-1, 1, 7).expand(-1, 5, 7), left.sum((1, 2)), x.argmax(-1)
            """,
        ),
        ((6, 12),),
    ),
    "lists that grow": Model(
        module(
            """
            def block(fan_in, fan_out, normalize=True):
                layers = [nn.Linear(fan_in, fan_out)]
                if normalize:
                    layers.append(nn.BatchNorm1d(fan_out, 0.8))
                layers.append(nn.ReLU())
                return layers

            self.model = nn.Sequential(
                *block(10, 16, normalize=False),
                *block(16, 32),
                nn.Linear(32, 3 * 4 * 4),
            )
            """,
            """
            def forward(self, z):
                image = self.model(z)
                return image.view(image.size(0), 3, 4, 4)
            """,
        ),
        ((5, 10),),
        open=True,  # a batch of how many dimensions
    ),
    "repeated blocks": Model(
        module(
            """
            self.start = nn.Linear(4, 8)
            self.body = nn.Sequential(*[nn.Linear(8, 8) for _ in range(3)])
            self.parts = nn.ModuleDict({"norm": nn.LayerNorm(8), "end": nn.Linear(8, 2)})
            """,
            """
            def forward(self, x):
                x = self.body(self.start(x))
                return self.parts["end"](self.parts["norm"](x))
            """,
        ),
        ((7, 3, 4),),
        open=True,
    ),
    "a window that is cut": Model(
        module(
            """
            self.pool = nn.MaxPool2d(2, ceil_mode=True)
            self.mean = nn.AvgPool2d(3, 2, 1, ceil_mode=True)
            self.make = nn.Linear(6, 7 * 9)
            """,
            """
            def forward(self, x):
                b, n = x.size()
                x = self.make(x).view(b, 1, 7, 9)
                return self.mean(self.pool(x))
            """,
        ),
        ((2, 6),),
    ),
    "einsum and interpolation": Model(
        module(
            """
            self.conv = nn.Conv2d(3, 6, 3)
            self.mix = nn.Linear(6, 5)
            """,
            """
            def forward(self, x):
                x = self.conv(x)
                x = F.interpolate(x, size=(8, 10), mode="bilinear")
                x = F.avg_pool2d(x, 2)
                y = torch.einsum("bchw,bdhw->bcd", x, x)
                return self.mix(y).mean(1), F.adaptive_max_pool2d(x, 1)
            """,
        ),
        ((2, 3, 9, 9),),
    ),
    "a size that is asked for": Model(
        module(
            """
            self.down = nn.Conv2d(1, 4, 5, stride=2, padding=2)
            self.up = nn.ConvTranspose2d(4, 2, 5, stride=2, padding=2)
            """,
            """
            def forward(self, x):
                return self.up(self.down(x), output_size=x.size())
            """,
        ),
        ((2, 1, 10, 12),),
    ),
    "a sequence of its own": Model(
        """
        class Net(nn.Sequential):
            def __init__(self, width=6):
                super().__init__(
                    nn.Linear(4, width), nn.PReLU(width), nn.Linear(width, 2), nn.Softmax(dim=-1)
                )
        """,
        ((3, 4),),
    ),
}


def values(text: str, symbols: dict[str, int]) -> Any:
    """A described output as numbers, None where it is unknown."""
    return eval(text.replace("?", "None"), {"__builtins__": {}}, dict(symbols))


def mismatch(said: Any, computed: Any, exact: bool) -> bool:
    """Whether what the analysis says is wrong, or says less than it must."""
    if isinstance(said, tuple):
        pairs = zip(said, computed, strict=True)
        return any(mismatch(a, b, exact) for a, b in pairs if a is not None or exact)
    if said is None:
        return exact
    sizes = list(computed.shape)
    if said[:1] == [...]:
        said = said[1:]
        sizes = sizes[len(sizes) - len(said) :]
    if len(said) != len(sizes):
        return True
    return any(exact if a is None else a != b for a, b in zip(said, sizes, strict=True))


@pytest.mark.filterwarnings("ignore")  # of torch, on which kernels it has
@pytest.mark.parametrize("name", MODELS)
def test_what_is_said_of_each_layer_is_what_torch_computes(name: str) -> None:
    torch = pytest.importorskip("torch")
    model = MODELS[name]
    found = followed(model.code)
    namespace: dict[str, Any] = {}
    exec(HEAD + textwrap.dedent(model.code), namespace)
    net = namespace["Net"]().eval()
    ran: list[tuple[Any, Any]] = []
    inside: set[Any] = set()
    containers = (torch.nn.Sequential, torch.nn.ModuleList, torch.nn.ModuleDict)
    for part in net.modules():
        if part in inside or isinstance(part, containers) or type(part).__module__ == "builtins":
            continue
        if type(part).__module__.startswith("torch.nn"):
            inside.update(part.modules())
            part.register_forward_hook(lambda part, _, output: ran.append((part, output)))
    if model.whole_numbers:
        tensors = [torch.randint(0, 9, model.inputs[0])]
    else:
        tensors = [torch.randn(sizes) for sizes in model.inputs]
    output = net(*tensors)

    symbols = {}
    for (_, text), tensor in zip(found.inputs, tensors, strict=False):
        known = text.strip("[]").split(", ")
        if "..." not in known:
            symbols.update(
                {s: n for s, n in zip(known, tensor.shape, strict=True) if s.isidentifier()}
            )
    layers = [row for row in found.rows if re.match(r"nn\.[A-Z]", row.written)]
    if not model.open:
        assert len(layers) == len(ran)
    exact = not model.open
    left = iter(ran)
    for row in layers:
        part, result = next(left)
        while model.open and f"nn.{type(part).__name__}(" not in row.written:
            part, result = next(left)  # another one of several that are made alike
        assert f"nn.{type(part).__name__}(" in row.written
        said = values(row.output, symbols)
        assert not mismatch(said, result, exact and "Attention" not in row.written), row
        count = sum(weights.numel() for weights in part.parameters())
        assert row.parameters == count, row
    assert not mismatch(values(found.output, symbols), output, exact), found.output
    assert found.fits


def evaluated(size: dimensions.Size, symbols: dict[str, int]) -> int:
    """The number that a size is when its symbols are these."""
    if isinstance(size, int):
        return size
    return sum(
        count * math.prod(evaluated_atom(atom, symbols) for atom in atoms)
        for atoms, count in size.terms
    )


def evaluated_atom(atom: object, symbols: dict[str, int]) -> int:
    match atom:
        case str():
            return symbols[atom]
        case dimensions.Group():
            return evaluated(atom.of, symbols)
        case dimensions.Floor():
            return evaluated(atom.number, symbols) // evaluated(atom.divisor, symbols)
    raise AssertionError(atom)


def test_sizes_are_exact_for_every_number_that_a_symbol_can_be() -> None:
    height = dimensions.symbol("H")
    size: dimensions.Dim = height
    for kernel, stride, padding in ((3, 2, 1), (2, 2, 0), (5, 3, 2), (3, 1, 0)):
        covered = dimensions.plus(size, 2 * padding - kernel)
        size = dimensions.plus(dimensions.floor(covered, stride), 1)
    assert size is not None
    for number in range(40, 90):
        expected = number
        for kernel, stride, padding in ((3, 2, 1), (2, 2, 0), (5, 3, 2), (3, 1, 0)):
            expected = (expected + 2 * padding - kernel) // stride + 1
        assert evaluated(size, {"H": number}) == expected


def test_products_and_quotients_of_symbols_cancel() -> None:
    b, c, h = map(dimensions.symbol, "BCH")
    whole = dimensions.times(b, c, 8, dimensions.plus(h, -2))
    assert dimensions.divided(whole, dimensions.times(c, 4)) == dimensions.times(
        2, b, dimensions.plus(h, -2)
    )
    assert dimensions.divided(whole, 3) is None
    assert dimensions.text(dimensions.floor(dimensions.plus(h, 1), 2)) == "(H+1)//2"
    assert dimensions.floor(dimensions.floor(h, 2), 3) == dimensions.floor(h, 6)


def outputs(code: str) -> list[str]:
    return [row.output for row in followed(code).rows]


def test_what_comes_from_outside_has_its_name_as_a_symbol() -> None:
    code = """
    class Net(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.a = nn.Linear(config.width, 4 * config.width)
            self.b = nn.Linear(4 * config.width, config.width)

        def forward(self, x):
            return self.b(self.a(x))
    """
    found = followed(code)
    assert [row.output for row in found.rows] == ["[..., 4*width]", "[..., width]"]
    assert found.compared == 1
    assert found.fits


def test_the_size_of_an_image_is_the_product_of_its_sizes() -> None:
    code = """
    import numpy as np

    SHAPE = (3, 8, 8)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(5, int(np.prod(SHAPE)))

        def forward(self, z):
            return self.fc(z).view(-1, *SHAPE)
    """
    assert outputs(code) == ["[..., 192]", "[?, 3, 8, 8]"]


def test_powers_of_a_symbol_cancel_where_channels_become_pixels() -> None:
    code = """
    class Net(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.conv = nn.Conv2d(3, 2 * factor**2, 3, padding=1)
            self.shuffle = nn.PixelShuffle(factor)

        def forward(self, x):
            return self.shuffle(self.conv(x))
    """
    assert outputs(code) == ["[B, 2*factor*factor, H, W]", "[B, 2, H*factor, W*factor]"]


def test_a_setting_that_is_changed_from_outside_is_no_symbol() -> None:
    code = """
    class Net(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.a = nn.Linear(4, config.width)

        def forward(self, x):
            return self.a(x)

    def widen(config):
        config.width = 2
    """
    assert outputs(code) == ["[..., ?]"]


def test_two_makers_that_disagree_leave_a_symbol() -> None:
    code = """
    class Net(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.a = nn.Linear(4, width)

        def forward(self, x):
            return self.a(x)

    Net(2), Net(3)
    """
    assert outputs(code) == ["[..., width]"]
    assert outputs(code.replace("Net(3)", "Net(2)")) == ["[..., 2]"]


def test_branches_that_disagree_leave_the_shape_unknown() -> None:
    code = module(
        "self.a = nn.Linear(4, 8)\nself.b = nn.Linear(4, {})\nself.c = nn.Linear(8, 2)",
        """
        def forward(self, x, deep=False):
            if deep:
                y = self.a(x)
            else:
                y = self.b(x)
            z = y.unsqueeze(-1)
            return z
        """,
    )
    assert followed(code.format(8)).output == "[..., 8, 1]"
    assert followed(code.format(9)).output == "[..., ?, 1]"


def test_layers_that_do_not_fit_are_never_said_to_fit() -> None:
    code = module(
        "self.a = nn.Linear(4, 8)\nself.b = nn.Linear(9, 2)\nself.c = nn.Linear(2, 2)",
        "def forward(self, x):\n    return self.c(self.b(self.a(x)))",
    )
    assert not followed(code).fits


@pytest.mark.parametrize(
    "line",
    [
        "y = x.squeeze()",  # a batch of one loses its dimension
        "y = helper(x)",
        "y = x[mask]",
        "y = x * scale",
        "y = x.view(*sizes)",
        "y = getattr(x, name)()",
        "y = x.mean(axis)",
        "y = torch.nonzero(x)",
        "y = x.transpose(first, 1)",
    ],
)
def test_what_is_not_known_is_unknown(line: str) -> None:
    code = module(
        "self.a = nn.Conv2d(3, 8, 3)\nself.b = nn.Sigmoid()",
        f"def forward(self, x):\n    x = self.a(x)\n    {line}\n    return self.b(y)",
    )
    assert followed(code).rows[-1].output in {"?", "[...]"}


def test_a_loop_that_changes_the_shape_is_unknown_after_it() -> None:
    code = module(
        "self.a = nn.Linear(4, 4)",
        """
        def forward(self, x, times):
            x = self.a(x)
            for _ in range(times):
                x = x.unsqueeze(-1)
            return x
        """,
    )
    assert followed(code).output == "?"


def test_a_layer_that_is_replaced_from_outside_is_unknown() -> None:
    code = module(
        "self.a = nn.Linear(4, 4)\nself.fc = nn.Linear(4, 2)",
        "def forward(self, x):\n    return self.fc(self.a(x))",
    )
    assert followed(code).output == "[..., 2]"
    assert followed(code + "net = Net()\nnet.fc = nn.Linear(4, 9)\n").output == "?"
