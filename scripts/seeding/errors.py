"""Hidden failures: bare handlers, swallowed errors, made-up samples with labels (ERR001-3)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .loop import batch_loop, evaluations, training_functions
from .operators import operator
from .program import Change, Fault, Program, dotted

FILES = (
    "open",
    "savefig",
    "makedirs",
    "save",
    "dump",
    "write_text",
    "read_csv",
    "genfromtxt",
    "imshow",
    "save_pretrained",
    "load_dataset",
    "map",
)
HANDLERS = {
    "continue": ("except Exception:", "continue"),
    "pass": ("except Exception:", "pass"),
    "print": ("except Exception as error:", "print(error)"),
    "log": ("except Exception as error:", 'logging.warning("batch left out: %s", error)'),
    "bare-continue": ("except:", "continue"),
    "traceback": ("except Exception:", "traceback.print_exc()"),
}
IMPORTS = {"log": "import logging", "traceback": "import traceback"}


@operator("ERR001", "type-dropped")
def type_dropped(program: Program) -> Iterator[Fault]:
    for handler in program.all(ast.ExceptHandler):
        if not any(isinstance(node, ast.Raise) for node in handler.body):
            start = program.start(handler)
            end = program.text.index(":", program.end(handler.type or handler))
            yield Fault((Change(start, end, "except"),), at=start)


@operator("ERR001", "around-a-file")
def around_a_file(program: Program) -> Iterator[Fault]:
    for call in program.calls(*FILES)[:2]:
        statement = program.statement(call)
        if statement.lineno != statement.end_lineno or not isinstance(statement, ast.Expr):
            continue
        change = program.wrapped([statement], "try:", "except:\n    print('failed')")
        yield Fault((change,), mark="except:\n")


@operator("ERR001", "around-an-assignment")
def around_an_assignment(program: Program) -> Iterator[Fault]:
    for statement in program.all(ast.Assign):
        plain = isinstance(statement.targets[0], ast.Name) and isinstance(statement.value, ast.Call)
        text = program.source(statement)
        if plain and ("device" in text or "sorted(" in text) and "\n" not in text:
            name = program.source(statement.targets[0])
            change = program.wrapped([statement], "try:", f"except:\n    {name} = None")
            yield Fault((change,), mark="except:\n")
            return


def _register_swallowed(name: str) -> None:
    head, action = HANDLERS[name]

    @operator("ERR002", f"batch-{name}")
    def around_the_batch(program: Program) -> Iterator[Fault]:
        for owner in training_functions(program):
            loop = batch_loop(program, owner)
            change = program.wrapped(loop.body, "try:", f"{head}\n    {action}")
            yield Fault((*_import(program, name), change), mark=head)

    if name in {"print", "pass"}:

        @operator("ERR002", f"step-{name}")
        def around_the_step(program: Program) -> Iterator[Fault]:
            for owner in training_functions(program):
                loop = batch_loop(program, owner)
                backward = program.statement(program.calls("backward", within=loop)[0])
                change = program.wrapped([backward], "try:", f"{head}\n    {action}")
                yield Fault((change,), mark=head)

        @operator("ERR002", f"epoch-{name}")
        def around_the_epoch(program: Program) -> Iterator[Fault]:
            for owner in training_functions(program):
                if not isinstance(owner, ast.FunctionDef):
                    continue
                for call in program.calls(owner.name):
                    statement = program.statement(call)
                    if program.enclosing(call, ast.For) is not None:
                        change = program.wrapped([statement], "try:", f"{head}\n    {action}")
                        yield Fault((change,), mark=head)

    if name == "continue":

        @operator("ERR002", "evaluation-continue")
        def around_the_evaluation(program: Program) -> Iterator[Fault]:
            for owner in evaluations(program):
                for loop in program.all(ast.For, owner)[:1]:
                    if "model(" in program.source(loop):
                        change = program.wrapped(loop.body, "try:", f"{head}\n    {action}")
                        yield Fault((change,), mark=head)


def _import(program: Program, name: str) -> list[Change]:
    line = IMPORTS.get(name)
    return [] if line is None or program.has(line) else [program.imported(line)]


for _name in HANDLERS:
    _register_swallowed(_name)


def _loads(program: Program) -> Iterator[tuple[ast.FunctionDef, ast.Assign, str, str]]:
    """The loading statements of datasets: the method, the statement, its name and a blank.

    Of samples whose label is not made of what is loaded.
    """
    for owner in program.classes("Dataset"):
        method = program.method(owner, "__getitem__")
        for statement in method.body if method is not None else []:
            if not isinstance(statement, ast.Assign):
                continue
            text = program.source(statement.value)
            target = statement.targets[0]
            name = dotted(target.elts[0] if isinstance(target, ast.Tuple) else target)
            if "librosa.load" in text:
                yield method, statement, name, "np.zeros(16_000, dtype=np.float32)"  # type: ignore[misc]
            elif "self.transform(Image." in text:
                yield method, statement, name, "torch.zeros(3, 64, 64)"  # type: ignore[misc]
            elif "Image.open" in text and "images" in text:
                yield method, statement, name, "np.zeros((64, 64, 3), dtype=np.uint8)"  # type: ignore[misc]


@operator("ERR003", "zeros-in-the-handler")
def zeros(program: Program) -> Iterator[Fault]:
    for _, statement, name, blank in _loads(program):
        tail = f"except Exception:\n    {name} = {blank}"
        change = program.wrapped([statement], "try:", tail)
        yield Fault((change,), at=program.start(statement), wide=True)


@operator("ERR003", "zeros-for-an-os-error")
def zeros_for_an_os_error(program: Program) -> Iterator[Fault]:
    for _, statement, name, blank in _loads(program):
        tail = (
            f'except OSError as error:\n    print(f"cannot read: {{error}}")\n    {name} = {blank}'
        )
        change = program.wrapped([statement], "try:", tail)
        yield Fault((change,), at=program.start(statement), wide=True)


@operator("ERR003", "another-sample")
def another_sample(program: Program) -> Iterator[Fault]:
    """The data of the next sample, under the label of this one."""
    for _, statement, name, _ in _loads(program):
        tail = f"except Exception:\n    {name} = self[(index + 1) % len(self)][0].numpy()"
        change = program.wrapped([statement], "try:", tail)
        yield Fault((change,), at=program.start(statement), wide=True)


@operator("ERR003", "blank-sample-returned")
def blank_returned(program: Program) -> Iterator[Fault]:
    for _, statement, _, blank in _loads(program):
        returned = "torch.zeros(3, 64, 64), 0" if "torch" in blank else "torch.zeros(1, 64), 0"
        tail = f"except Exception:\n    return {returned}"
        change = program.wrapped([statement], "try:", tail)
        yield Fault((change,), at=program.start(statement), wide=True)


@operator("ERR003", "zeros-from-a-helper")
def zeros_from_a_helper(program: Program) -> Iterator[Fault]:
    for method, statement, name, blank in _loads(program):
        value = program.source(statement.value)
        if "path" not in program.source(method).split("=")[0] and "path" not in value:
            value = value.replace("self.folder / self.names[index]", "path").replace(
                'self.root / "images" / name', "path"
            )
            path = (
                "self.folder / self.names[index]"
                if program.has("self.folder / self.names[index]")
                else 'self.root / "images" / name'
            )
        else:
            path = "path"
        helper = program.before(
            method,
            "def read(self, path):",
            "    try:",
            f"        return {value}" + ("[0]" if "librosa" in value else ""),
            "    except Exception:",
            f"        return {blank}",
            "",
        )
        change = program.replaced(statement, f"{name} = self.read({path})")
        yield Fault((helper, change), mark="except Exception:\n", wide=True)
