"""Torch's own loss functions: how many classes a loss tells apart, and on which targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainlint.runtime.events import LossCall
from trainlint.runtime.hooks.patching import compiled_as, is_real, patch, together
from trainlint.runtime.loaders import tensor_fingerprint

if TYPE_CHECKING:
    from trainlint.runtime.hooks import Undo
    from trainlint.runtime.session import Session

# Losses on classes with the number of classes where the function fixes it.
FUNCTIONS: dict[str, int | None] = {
    "cross_entropy": None,
    "nll_loss": None,
    "binary_cross_entropy": 2,
    "binary_cross_entropy_with_logits": 2,
    "mse_loss": 0,
    "l1_loss": 0,
    "smooth_l1_loss": 0,
}
# What only brings numbers into another form.
FORMS = frozenset(
    "View UnsafeView ReshapeAlias Permute Transpose T Squeeze Unsqueeze Alias ToCopy Clone".split()
)
# Other losses, which are only heard of where they are computed without gradients.
EVALUATED = (
    "cosine_embedding_loss ctc_loss gaussian_nll_loss hinge_embedding_loss huber_loss kl_div "
    "margin_ranking_loss multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss "
    "poisson_nll_loss soft_margin_loss triplet_margin_loss"
).split()


def install(session: Session) -> Undo:
    """Wrap the functions; the modules of `torch.nn` call them, and compiled code passes through."""
    import torch
    from torch.nn import functional

    own, is_compiling = session.own("loss functions"), torch.compiler.is_compiling
    is_grad_enabled, exact = torch.is_grad_enabled, (torch.float32, torch.float64)
    counts = session.counts

    def make(name: str, fixed: int | None) -> Any:
        def wrapped(original: Any) -> Any:
            def loss_function(*args: Any, **kwargs: Any) -> Any:
                answer = original(*args, **kwargs)
                if counts.observing or not is_grad_enabled():
                    look(answer, args, kwargs)
                return answer

            def look(answer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
                if is_compiling() or own.off:
                    return
                if not is_grad_enabled():
                    with own:
                        _evaluated(answer)
                elif is_real(answer) and answer.requires_grad:
                    with own:
                        given = args[0] if args else kwargs.get("input")
                        target = args[1] if len(args) > 1 else kwargs.get("target")
                        if given is not None:
                            session.windows.call = _call(name, fixed, given, target)

            return compiled_as(original, loss_function)

        return wrapped

    def make_evaluated(original: Any) -> Any:
        def loss_function(*args: Any, **kwargs: Any) -> Any:
            answer = original(*args, **kwargs)
            if not (is_compiling() or own.off or is_grad_enabled()):
                with own:
                    _evaluated(answer)
            return answer

        return compiled_as(original, loss_function)

    def _evaluated(answer: Any) -> None:
        if is_real(answer) and answer.numel() == 1 and answer.dtype in exact:
            session.windows.evaluations.add(answer, session.places.here())

    def _call(name: str, fixed: int | None, given: Any, target: Any) -> LossCall:
        classes = fixed
        if fixed is None:
            classes = int(given.shape[1 if given.dim() > 1 else 0])
        rows = given.numel() // (classes or 1) if fixed is None else given.numel()
        mark = tensor_fingerprint(target) if isinstance(target, torch.Tensor) else None
        place, device = session.places.here(), given.device.type
        call = LossCall(name, rows, classes or None, mark, place, device, _source(given))
        if isinstance(target, torch.Tensor):
            call.shapes = (tuple(given.shape), tuple(target.shape))
        return call

    return together(
        *(patch(functional, name, make(name, fixed)) for name, fixed in FUNCTIONS.items()),
        *(patch(functional, name, make_evaluated) for name in EVALUATED),
    )


def _source(given: Any) -> str:
    """The operation that gave it, whatever form it was brought into since."""
    node = given.grad_fn
    for _ in range(4):
        name = type(node).__name__.partition("Backward")[0]
        if name not in FORMS or not node.next_functions:
            return name
        node = node.next_functions[0][0]
    return ""
