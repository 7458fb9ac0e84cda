"""Rules about an activation in front of a loss that applies it by itself, or works better without.

All of them ask the same question (what is the input of this loss?) and offer the same fix: the
activation leaves its source and comes back around every other read of the output.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainlint.api import (
    Confidence,
    File,
    Finding,
    Fix,
    Rule,
    Safety,
    Severity,
    Step,
    Unfixable,
    all_of,
    any_of,
    contexts,
    graphs,
    losses,
    rewrite,
    settled,
    tensors,
    tree,
)

SIGMOID_BEFORE_BCE = Rule(
    "AMP002",
    "sigmoid-before-bce",
    Severity.WARNING,
    needs=all_of(any_of("BCELoss", "binary_cross_entropy"), any_of("sigmoid", "Sigmoid", "expit")),
    here=losses.WORDS,
    fix=Safety.UNSAFE,
)
SIGMOID_BEFORE_LOGITS_LOSS = Rule(
    "AMP003",
    "sigmoid-before-bce-with-logits",
    Severity.ERROR,
    needs=all_of(
        any_of(
            "BCEWithLogitsLoss",
            "binary_cross_entropy_with_logits",
            "MultiLabelSoftMarginLoss",
            "multilabel_soft_margin_loss",
        ),
        any_of("sigmoid", "Sigmoid", "expit"),
    ),
    here=losses.WORDS,
    fix=Safety.UNSAFE,
)
SOFTMAX_BEFORE_CROSS_ENTROPY = Rule(
    "LOS001",
    "softmax-before-cross-entropy",
    Severity.ERROR,
    needs=all_of(any_of("CrossEntropyLoss", "cross_entropy"), any_of("softmax", "Softmax")),
    here=losses.WORDS,
    fix=Safety.UNSAFE,
)


@SIGMOID_BEFORE_BCE.check
def sigmoid_before_bce(file: File) -> Iterator[Finding]:
    """A sigmoid is followed by a BCE loss on probabilities, where a loss on logits is stable.

    ## What it does
    Finds `nn.BCELoss` and `F.binary_cross_entropy` whose input is known to be a sigmoid's output,
    through methods, attributes, containers and returned dicts. Under autocast AMP001 speaks. A loss
    that is only looked at (under `no_grad`, or in an evaluation pass) forms no gradient, and is
    reported with `--pedantic` only. It is silent where another term of the loss, or the weight of
    this one (as of a focal loss), needs the same probabilities.

    ## Why is this bad?
    For a logit beyond about 17 in float32 the sigmoid is exactly 1 (beyond about -104 exactly 0).
    PyTorch then clamps the logarithm at -100, and the gradient of a confidently wrong sample is 0:
    the sample that matters most teaches nothing. `BCEWithLogitsLoss` uses the log-sum-exp form.

    ## Example
    ```python
    import torch
    from torch import nn


    def loss(x, y):
        head = nn.Linear(8, 1)
        return nn.functional.binary_cross_entropy(torch.sigmoid(head(x)), y)
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn


    def loss(x, y):
        head = nn.Linear(8, 1)
        return nn.functional.binary_cross_entropy_with_logits(head(x), y)
    ```

    ## Fix safety
    Unsafe: the loss and its gradients change where the sigmoid saturates. Every input of the
    criterion must be a sigmoid with only shapes, types and narrow clamps behind it, no other loss
    may be computed from the output, it must not be changed in place, and every user of the output,
    the model and the criterion must be known; otherwise the fix is only shown, or there is none.

    ## Since
    0.1.0

    ## References
    - PyTorch documentation of `BCEWithLogitsLoss` and of the clamp in `BCELoss`
    """
    evaluations = losses.loss_evaluations(file, losses.BCE)
    for evaluation, origins in settled.faults(file, evaluations, {tensors.SIGMOID}):
        if (
            _shared(file, evaluation)
            or _overlaps(file, evaluation)
            or _is_weighed(file, evaluation)
        ):
            continue
        regions = contexts.entered(file, evaluation.call, contexts.is_autocast)
        if any(region is not None for region in regions):
            continue
        loss = evaluation.name.rpartition(".")[2]
        read = settled.forms_no_gradient(file, evaluation.call)
        harm = (
            "gradient is exactly 0 and a confidently wrong sample teaches nothing; the logits form "
            "of the loss has no such limit"
        )
        if read:
            harm = (
                "loss of a confidently wrong sample is cut at 100 (nothing is trained here: "
                "only its value is wrong)"
            )
        yield Finding(
            evaluation.call,
            f"the input of `{loss}` is the output of a sigmoid: where the sigmoid saturates, the "
            f"{harm}",
            trail=_trail(evaluation, origins, "sigmoid"),
            confidence=Confidence.LOW if read else _confidence(file, evaluation, origins),
            fixes=tuple(_move(file, evaluation, evaluations, tensors.SIGMOID, logits_form=True)),
        )


@SIGMOID_BEFORE_LOGITS_LOSS.check
def sigmoid_before_logits_loss(file: File) -> Iterator[Finding]:
    """A sigmoid is applied to the input of a loss that applies one by itself.

    ## What it does
    Finds `nn.BCEWithLogitsLoss` and its kind whose input is known to be a sigmoid's output.

    ## Why is this bad?
    The sigmoid is applied twice. The loss then sees values between 0 and 1 as logits, so that the
    probability it works with lies between 0.5 and 0.73: it cannot come near 0 for any negative
    sample, and gradients are small everywhere.

    ## Example
    ```python
    import torch
    from torch import nn

    criterion = nn.BCEWithLogitsLoss()


    def loss(head, x, y):
        return criterion(torch.sigmoid(head(x)), y)
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    criterion = nn.BCEWithLogitsLoss()


    def loss(head, x, y):
        return criterion(head(x), y)
    ```

    ## Fix safety
    Unsafe: the loss changes, which is the point. Every input of the criterion must be a sigmoid
    with only shapes, types and clamps behind it, every read of the output must be known, and no
    other loss may be computed from it.

    ## Since
    0.1.0

    ## References
    - PyTorch documentation of `BCEWithLogitsLoss`
    """
    evaluations = losses.loss_evaluations(file, losses.BCE_WITH_LOGITS)
    for evaluation, origins in settled.faults(file, evaluations, {tensors.SIGMOID}):
        loss = evaluation.name.rpartition(".")[2]
        yield Finding(
            evaluation.call,
            f"`{loss}` applies a sigmoid by itself and its input is the output of one already: "
            "the loss works with probabilities between 0.5 and 0.73 only",
            trail=_trail(evaluation, origins, "sigmoid"),
            confidence=_confidence(file, evaluation, origins),
            fixes=tuple(_move(file, evaluation, evaluations, tensors.SIGMOID)),
        )


@SOFTMAX_BEFORE_CROSS_ENTROPY.check
def softmax_before_cross_entropy(file: File) -> Iterator[Finding]:
    """A softmax is applied to the input of a cross entropy, which applies one by itself.

    ## What it does
    Finds `nn.CrossEntropyLoss` and `F.cross_entropy` whose input is known to be the output of a
    softmax or, as information, of a log-softmax.

    ## Why is this bad?
    After two softmaxes the probability of the right class among C classes can never be above
    e / (e + C - 1), which is 0.23 for ten classes: the loss stays high and gradients shrink. A
    log-softmax applied twice is itself again, which costs time and nothing else.

    ## Example
    ```python
    import torch
    from torch import nn

    criterion = nn.CrossEntropyLoss()


    def loss(head, x, y):
        return criterion(torch.softmax(head(x), dim=1), y)
    ```

    ## Use instead
    ```python
    import torch
    from torch import nn

    criterion = nn.CrossEntropyLoss()


    def loss(head, x, y):
        return criterion(head(x), y)
    ```

    ## Fix safety
    Unsafe: the loss changes, which is the point. The softmax comes back around every other read of
    the output, of which no other loss may be computed; its dimension must be written as a number,
    and no shape may change in between unless it counts from the end.

    ## Since
    0.1.0

    ## References
    - PyTorch documentation of `CrossEntropyLoss`: the input holds unnormalised logits
    """
    kinds = {tensors.SOFTMAX, tensors.LOG_SOFTMAX}
    evaluations = losses.loss_evaluations(file, losses.CROSS_ENTROPY)
    for evaluation, origins in settled.faults(file, evaluations, kinds):
        kind = origins[0].kind
        loss = evaluation.name.rpartition(".")[2]
        if kind == tensors.SOFTMAX:
            what = (
                f"`{loss}` applies log-softmax by itself and its input is a softmax already: among "
                "C classes the right one can never get a probability above e / (e + C - 1), and "
                "the loss cannot come near 0"
            )
        else:
            what = (
                f"`{loss}` applies log-softmax by itself and its input is one already: the values "
                "stay the same, the second one is wasted (`NLLLoss` takes log-probabilities)"
            )
        yield Finding(
            evaluation.call,
            what,
            trail=_trail(evaluation, origins, kind.replace("_", "-")),
            confidence=_confidence(file, evaluation, origins),
            fixes=tuple(_move(file, evaluation, evaluations, kind)),
            severity=None if kind == tensors.SOFTMAX else Severity.INFO,
        )


def _confidence(
    file: File, evaluation: losses.LossEvaluation, found: Sequence[tensors.Origin]
) -> Confidence:
    return Confidence.HIGH if settled.certain(file, evaluation, found) else Confidence.MEDIUM


def _shared(file: File, evaluation: losses.LossEvaluation) -> bool:
    """True when the same probabilities also enter another loss term."""
    name = evaluation.input
    if not isinstance(name, tree.Name):
        return False
    mine = _made_by(file, name)
    return any(
        evaluation.call not in use.ancestors()
        and not mine.isdisjoint(_made_by(file, use))
        and (_is_given_to_a_loss(use) or graphs.feeds_backward(file, use))
        for use in file.all(tree.Name)
        if use.id == name.id and tree.function_of(use) is tree.function_of(name)
    )


def _is_given_to_a_loss(use: tree.Name) -> bool:
    call = use.parent.parent if isinstance(use.parent, tree.Arg) else None
    called = tree.dotted(call.func) if isinstance(call, tree.Call) else None
    return "loss" in (called or "").rpartition(".")[2].lower()


def _overlaps(file: File, evaluation: losses.LossEvaluation) -> bool:
    """True where the same probabilities, times the target, make up a term beside this loss."""
    given, target = evaluation.input, evaluation.target
    function = tree.function_of(evaluation.call)
    if not isinstance(given, tree.Name) or not isinstance(target, tree.Name) or function is None:
        return False
    mine, theirs = _made_by(file, given), _made_by(file, target)
    joined = [node for node in function.walk() if isinstance(node, tree.BinOp)]
    return any(node.op == "*" and _is_product(file, node, mine, theirs) for node in joined) and any(
        node.op == "+" and any(_is_value_of(file, part, evaluation.call) for part in node.walk())
        for node in joined
    )


def _is_weighed(file: File, evaluation: losses.LossEvaluation) -> bool:
    """True where this loss is multiplied by what the same probabilities give, as in a focal one."""
    given, function = evaluation.input, tree.function_of(evaluation.call)
    if not isinstance(given, tree.Name) or function is None:
        return False
    mine = _made_by(file, given)
    return any(
        any(_is_value_of(file, part, evaluation.call) for part in one.walk())
        and _is_computed_from(file, other, mine, evaluation.call)
        for node in function.walk()
        if isinstance(node, tree.BinOp) and node.op == "*"
        for one, other in ((node.left, node.right), (node.right, node.left))
    )


def _is_computed_from(
    file: File, expr: tree.Expr, mine: set[tree.Node], loss: tree.Call, hops: int = 3
) -> bool:
    """True where an expression takes some values by another way than the loss of them."""
    if not hops or any(node is loss for node in expr.walk()):
        return False
    names = [node for node in expr.walk() if isinstance(node, tree.Name)]
    return any(
        not mine.isdisjoint(_made_by(file, name))
        or any(
            isinstance(value := binding.value, tree.Expr)
            and _is_computed_from(file, value, mine, loss, hops - 1)
            for binding in file.values.definitions(name)[0]
        )
        for name in names
    )


def _is_product(
    file: File, product: tree.BinOp, mine: set[tree.Node], theirs: set[tree.Node]
) -> bool:
    left, right = (
        _made_by(file, side) if isinstance(side, tree.Name) else set()
        for side in (product.left, product.right)
    )
    return bool((left & mine and right & theirs) or (left & theirs and right & mine))


def _made_by(file: File, name: tree.Name) -> set[tree.Node]:
    """What binds a name, and what bound it before it only got another shape."""
    found: set[tree.Node] = set()
    todo = [name]
    while todo:
        for binding in file.values.definitions(todo.pop())[0]:
            if binding.node in found:
                continue
            found.add(binding.node)
            match binding.value:
                case tree.Call(func=tree.Attribute(value=tree.Name() as before, attr=attr)) if (
                    attr in tensors.SHAPE | tensors.CAST
                ):
                    todo.append(before)
                case _:
                    pass
    return found


def _is_value_of(file: File, part: tree.Node, call: tree.Call) -> bool:
    """True for a call, or a name of what it gives."""
    return part is call or (
        isinstance(part, tree.Name)
        and any(
            binding.value is not None and any(node is call for node in binding.value.walk())
            for binding in file.values.definitions(part)[0]
        )
    )


def _trail(
    evaluation: losses.LossEvaluation, origins: Sequence[tensors.Origin], kind: str
) -> tuple[Step, ...]:
    origin = origins[0]
    steps = [Step(origin.node, f"the {kind} is applied here")]
    steps.extend(step for step in origin.trail if isinstance(step.node, tree.Return))
    if evaluation.criterion is not None:
        steps.append(Step(evaluation.criterion.call, "the criterion is built here"))
    return tuple(dict.fromkeys(steps))


def _move(
    file: File,
    evaluation: losses.LossEvaluation,
    evaluations: Sequence[losses.LossEvaluation],
    kind: str,
    *,
    logits_form: bool = False,
) -> Iterator[Fix]:
    family = rewrite.entangled(file, evaluation, evaluations)
    try:
        move = rewrite.move_activation(file, family, kind)
        edits, doubts = move.edits, move.doubts
        if logits_form:
            converted = rewrite.to_logits_form(file, family)
            edits = rewrite.together(edits, converted.edits)
            doubts += converted.doubts
    except Unfixable:
        return
    yield Fix(
        f"Give the loss logits, and apply the {kind.replace('_', '-')} where the output is read",
        edits,
        Safety.SHOWN if doubts else Safety.UNSAFE,
        "; ".join(doubts),
    )
