"""What holds on one machine or in one run only (DEV001, DEV002, REP001, ERR005)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .operators import operator, written
from .program import Fault, Program, dotted


def _devices(program: Program) -> Iterator[tuple[ast.stmt, ast.expr, ast.IfExp]]:
    """The one choice of a device by what there is: statement, value and choice."""
    choices = [n for n in program.all(ast.IfExp) if "is_available" in program.source(n)]
    if len(choices) != 1 or program.text.count("is_available") != 1:
        return
    statement = program.statement(choices[0])
    if isinstance(statement, ast.Assign):
        yield statement, statement.value, choices[0]


def _register_device(hand: int, name: str, text: str) -> None:
    @operator("DEV001", name)
    def device(program: Program) -> Iterator[Fault]:
        for _, value, _ in _devices(program):
            if program.falls_to(hand, 3):
                yield Fault((program.replaced(value, text),), anywhere=True)


_register_device(0, "device-of-cuda", 'torch.device("cuda")')
_register_device(1, "device-by-number", 'torch.device("cuda:0")')
_register_device(2, "device-as-text", '"cuda"')


@operator("DEV001", "cuda-methods")
def cuda_methods(program: Program) -> Iterator[Fault]:
    for statement, _, _ in _devices(program):
        target = program.source(statement.targets[0])  # type: ignore[attr-defined]
        moved = [c for c in program.calls("to") if [program.source(a) for a in c.args] == [target]]
        if len(moved) < 3 or program.falls_to(0, 2):
            continue
        if any(program.start(a) < program.start(b) < program.end(a) for a in moved for b in moved):
            continue
        changes = [program.replaced(c, f"{program.source(c.func)[:-3]}.cuda()") for c in moved]
        changes.append(program.replaced(statement.value, 'torch.device("cuda")'))  # type: ignore[attr-defined]
        yield Fault(tuple(changes), anywhere=True)


@operator("DEV001", "default-device")
def default_device(program: Program) -> Iterator[Fault]:
    if program.has("cuda") or not program.calls("backward"):
        return
    for function in program.all(ast.FunctionDef):
        if function.name == "main":
            line = 'torch.set_default_device("cuda")'
            yield Fault((program.before(function.body[0], line),), mark=line, wide=True)


@operator("DEV001", "model-on-cuda")
def model_on_cuda(program: Program) -> Iterator[Fault]:
    if program.has("cuda") or not program.calls("backward"):
        return
    for loop in program.all(ast.For):
        names = [n.id for n in ast.walk(loop.target) if isinstance(n, ast.Name)]
        if program.calls("backward", within=loop) and len(names) == 2:
            first, second = names
            text = f"{first}, {second} = {first}.cuda(), {second}.cuda()"
            yield Fault((program.before(loop.body[0], text),), mark=text, wide=True)
            return


# Paths of one machine

_PLACES = (
    "/home/lena/{}",
    "/Users/lena/Documents/{}",
    "D:/ml/{}",
    "/mnt/disk2/{}",
    "C:\\\\Users\\\\lena\\\\{}",
)


def _defaults(program: Program) -> Iterator[ast.Constant]:
    """The texts that stand for a file or folder: defaults of functions and options."""
    for function in program.all(ast.FunctionDef):
        names = [a.arg for a in function.args.args][-len(function.args.defaults) :]
        for name, value in zip(names, function.args.defaults, strict=False):
            text = isinstance(value, ast.Constant) and isinstance(value.value, str)
            if name in {"root", "folder", "path"} and text:
                yield value  # type: ignore[misc]
    for call in program.calls("add_argument"):
        for each in call.keywords:
            if each.arg == "default" and program.source(call.args[0]) in {'"--data"', '"--output"'}:
                yield each.value  # type: ignore[misc]


def _register_place(hand: int, name: str) -> None:
    @operator("DEV002", name)
    def place(program: Program) -> Iterator[Fault]:
        for value in _defaults(program):
            if program.falls_to(hand, len(_PLACES)):
                text = _PLACES[hand].format(str(value.value).lstrip("./") or "data")
                yield Fault((program.replaced(value, f'"{text}"'),), at=program.start(value))


for _hand, _name in enumerate(
    ("home", "home-of-a-mac", "drive", "mounted-disk", "home-of-windows")
):
    _register_place(_hand, _name)


@operator("DEV002", "saved-to-a-home")
def saved_to_a_home(program: Program) -> Iterator[Fault]:
    for call in program.calls("torch.save"):
        place = call.args[1]
        if isinstance(place, ast.Constant) and program.falls_to(0, 2):
            text = f'"/home/lena/models/{place.value}"'
            yield Fault((program.replaced(place, text),), at=program.start(call))


@operator("DEV002", "constant-of-the-module")
def constant_of_the_module(program: Program) -> Iterator[Fault]:
    for value in _defaults(program):
        if program.falls_to(2, 3):
            line = f'DATA = r"C:\\Users\\lena\\Desktop\\{value.value}"'
            yield Fault((program.defined(line), program.replaced(value, "DATA")), mark=line)


@operator("DEV002", "put-together")
def put_together(program: Program) -> Iterator[Fault]:
    for value in _defaults(program):
        if program.falls_to(0, 3):
            line = f'DATA = os.path.join("/home/lena", "{value.value}")'
            changes = (
                program.imported("import os"),
                program.defined(line),
                program.replaced(value, "DATA"),
            )
            yield Fault(changes, mark=line)


# Generators without a seed

_SEEDS = ("random.seed", "np.random.seed", "torch.manual_seed")
_DRAWS = {
    "random.seed": ("random.random(", "random.randint(", "random.shuffle(", "random.choice("),
    "np.random.seed": ("np.random.beta(", "np.random.randint(", "np.random.uniform("),
    "torch.manual_seed": ("nn.", "torch.randn("),
}


def _seeded(program: Program) -> dict[str, ast.stmt]:
    """The statements that seed, by what they call, where several generators are seeded."""
    found = {
        dotted(c.func): program.statement(c)
        for c in program.all(ast.Call)
        if dotted(c.func) in _SEEDS
    }
    return found if len(found) > 1 else {}


def _drawing(program: Program) -> Iterator[tuple[str, ast.stmt]]:
    for name, statement in _seeded(program).items():
        if any(f" {draw}" in program.text or f"({draw}" in program.text for draw in _DRAWS[name]):
            yield name, statement


@operator("REP001", "seed-dropped")
def seed_dropped(program: Program) -> Iterator[Fault]:
    for _, statement in _drawing(program):
        yield Fault((program.deleted(statement),), anywhere=True)


@operator("REP001", "seed-of-another-generator")
def other_generator(program: Program) -> Iterator[Fault]:
    """The cards are seeded, or a generator that nobody draws from."""
    for name, statement in _drawing(program):
        text = program.source(statement)
        other = {
            "random.seed": text.replace("random.seed", "rng = random.Random"),
            "np.random.seed": text.replace("np.random.seed", "rng = np.random.default_rng"),
            "torch.manual_seed": text.replace("torch.manual_seed", "torch.cuda.manual_seed_all"),
        }[name]
        yield Fault((program.replaced(statement, other),), anywhere=True)


@operator("REP001", "one-seed-added")
def one_seed_added(program: Program) -> Iterator[Fault]:
    """A script that seeds nothing gets a seed for one of the generators that it draws from."""
    if any(program.has(seed) for seed in (*_SEEDS, "seed_everything")) or not program.calls(
        "backward"
    ):
        return
    for name, draws in list(_DRAWS.items())[:2]:
        if any(f" {draw}" in program.text or f"={draw}" in program.text for draw in draws):
            yield Fault((program.defined("torch.manual_seed(0)"),), anywhere=True)
            line = "random.seed(0)" if name.startswith("random") else "np.random.seed(0)"
            yield Fault((program.defined(line),), anywhere=True)


# Warnings that nobody sees

_SILENCERS = (
    ("all-filtered", ("import warnings",), 'warnings.filterwarnings("ignore")'),
    ("simply-ignored", ("import warnings",), 'warnings.simplefilter("ignore")'),
    (
        "filter-imported",
        ("from warnings import filterwarnings",),
        'filterwarnings(action="ignore")',
    ),
    ("by-the-environment", ("import os",), 'os.environ["PYTHONWARNINGS"] = "ignore"'),
    ("function-replaced", ("import warnings",), "warnings.warn = lambda *args, **kwargs: None"),
    ("module-under-an-alias", ("import warnings as quiet",), 'quiet.simplefilter(action="ignore")'),
)


def _register_silencer(hand: int) -> None:
    name, imports, line = _SILENCERS[hand]

    @operator("ERR005", name)
    def silenced(program: Program) -> Iterator[Fault]:
        if program.calls("backward") and program.falls_to(hand, len(_SILENCERS)):
            wanted = [i for i in imports if f"{i}\n" not in program.text]
            changes = [program.defined(line)]
            if wanted:
                changes.append(program.imported(*wanted))
            yield Fault(tuple(changes), mark=line)


for _hand in range(len(_SILENCERS)):
    _register_silencer(_hand)


@operator("ERR005", "filtered-in-main")
def filtered_in_main(program: Program) -> Iterator[Fault]:
    for function in program.all(ast.FunctionDef):
        if function.name == "main" and program.calls("backward") and program.falls_to(0, 3):
            line = 'warnings.filterwarnings("ignore")'
            change = program.before(function.body[0], line)
            yield Fault((program.imported("import warnings"), change), mark=line)


written(
    "ERR005",
    "filtered-for-scikit-learn",
    'warnings.filterwarnings("ignore")',
    (
        "import pandas as pd\nimport xgboost as xgb\n",
        "import warnings\n\nimport pandas as pd\nimport xgboost as xgb\n",
    ),
    ('LABEL = "default"\n', 'LABEL = "default"\nwarnings.filterwarnings("ignore")\n'),
)
