"""Which random generators are seeded, and what the loaders' workers draw from."""

from __future__ import annotations

from collections.abc import Iterator

from trainlint.api import File, Finding, Rule, Severity, any_of, tree

RULE = Rule(
    "RANDOM1", "seeds", Severity.INFO, needs=any_of("seed", "random_state", "deterministic")
)
_SEEDS = {
    "random.seed": "Python's generator is seeded",
    "numpy.random.seed": "NumPy's global generator is seeded",
    "numpy.random.default_rng": "a generator of NumPy's own is seeded",
    "torch.manual_seed": "torch is seeded, on the GPUs too",
    "torch.cuda.manual_seed": "the GPU is seeded",
    "torch.cuda.manual_seed_all": "all GPUs are seeded",
    "transformers.set_seed": "Python, NumPy and torch are seeded",
    "accelerate.utils.set_seed": "Python, NumPy and torch are seeded",
    "lightning.seed_everything": "Python, NumPy and torch are seeded",
    "lightning.pytorch.seed_everything": "Python, NumPy and torch are seeded",
    "pytorch_lightning.seed_everything": "Python, NumPy and torch are seeded",
}


@RULE.verify
def seeded(file: File) -> Iterator[Finding]:
    for call in file.calls_to(_SEEDS.__contains__):
        if call.args and not tree.is_none(call.args[0].value):
            yield Finding(call, _SEEDS[file.names.qualified(call.func) or ""])
    for call in file.calls:
        state = call.arg(None, "random_state")
        if state is not None and isinstance(file.values.literal(state), int):
            yield Finding(call, "`random_state` makes this the same in every run")


@RULE.verify
def deterministic(file: File) -> Iterator[Finding]:
    for assign in file.all(tree.Assign):
        name = file.names.qualified(assign.targets[0])
        is_set = name == "torch.backends.cudnn.deterministic"
        if is_set and file.values.literal(assign.value) is True:
            yield Finding(assign, "cuDNN takes deterministic algorithms only")
    for call in file.calls_to("torch.use_deterministic_algorithms"):
        mode = call.arg(0, "mode")
        if mode is not None and file.values.literal(mode) is True:
            yield Finding(call, "torch raises where an operation is not deterministic")


@RULE.verify
def workers(file: File) -> Iterator[Finding]:
    for call in file.calls_to("torch.utils.data.DataLoader"):
        for word, said in (
            ("worker_init_fn", "each worker is seeded by a function of the program"),
            ("generator", "the order of the samples comes from a generator of its own"),
        ):
            given = call.arg(None, word)
            if given is not None and not tree.is_none(given):
                yield Finding(call, said)
