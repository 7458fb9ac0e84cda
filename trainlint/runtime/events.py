"""What happens in a training run, as plain data: the language between hooks and checks.

``handler`` is the method of a check that an event is handed to.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from trainlint.runtime.loaders import LoaderRecord
    from trainlint.runtime.optimizers import OptimizerRecord, TensorRecord
    from trainlint.runtime.places import Place
    from trainlint.runtime.sample_sets import SampleSet


@dataclass(slots=True)
class LossCall:
    """A call of one of torch's loss functions, on what takes part in training."""

    function: str  # such as "cross_entropy"
    rows: int  # how many predictions
    classes: int | None  # how many classes it tells apart
    fingerprint: int | None  # of the targets; None where reading them would wait for a device
    place: Place | None
    device: str = "cpu"  # its kind
    source: str = ""  # the operation that the predictions come out of
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None  # of predictions and targets


@dataclass(slots=True)
class Loss:
    """One outermost backward call from a single number.

    ``value`` is without the scaler's scale, and as it was divided for accumulation; ``divisor`` is
    what it was divided by, as far as the graph tells.
    """

    place: Place | None
    divisor: float
    call: LossCall | None
    value: float = math.nan


@dataclass(slots=True)
class Movement:
    """How far a sample of each tensor of an optimizer went over some steps."""

    tensors: tuple[TensorRecord, ...]
    changes: tuple[float, ...]  # the largest change among the elements looked at
    exact: tuple[bool, ...]  # whether every element was looked at
    steps: int
    ratios: tuple[float, ...] = ()  # norm of the change in one step over that of the values


@dataclass(slots=True)
class Step:
    """One step of one optimizer, with all that was seen since the step before it."""

    handler: ClassVar[str] = "on_step"

    number: int  # over all optimizers, from 1
    count: int  # of this optimizer, from 1
    optimizer: OptimizerRecord
    epoch: int  # passes over the training data begun so far; 0 where no loader is known
    place: Place | None
    rates: tuple[float | None, ...]  # of the groups; None where reading would wait for a device
    tensors: tuple[TensorRecord, ...] = ()
    norms: tuple[float | None, ...] = ()  # unscaled, one a tensor; None: it has no gradient
    norm: float | None = None  # unscaled, of all of them
    losses: tuple[Loss, ...] = ()
    loss: float | None = None  # of one backward, or the mean over an accumulation window, undivided
    leftover: bool = False  # gradients of the step before took part again
    has_closure: bool = False
    scaled: bool = False  # a gradient scaler is at work
    scale: float | None = None  # of that scaler
    skipped: bool = False  # by the scaler: nothing was changed
    batches: tuple[Batch, ...] = ()
    movement: Movement | None = None


@dataclass(slots=True)
class Batch:
    """What a loader handed out."""

    handler: ClassVar[str] = "on_batch"

    loader: LoaderRecord
    number: int  # in its pass, from 1
    size: int | None
    labels: dict[int, int] | None  # how often each class is in it
    fingerprint: int | None
    with_gradients: bool
    place: Place | None
    shapes: tuple[tuple[int, ...], ...] = ()  # of its tensors
    indices: tuple[int, ...] | None = None  # in the data set, in the order of the rows
    trained: bool = False  # a backward call followed it
    content: Any = None  # itself, only while the checks hear of it
    samples: SampleSet | None = None  # all that its loader hands out


@dataclass(slots=True)
class Pass:
    """A loader was read to its end."""

    handler: ClassVar[str] = "on_pass"

    loader: LoaderRecord
    batches: int
    number: int
    trained: int = 0  # of them, those that a backward call followed
    samples: SampleSet | None = None
    place: Place | None = None  # where it was read


@dataclass(slots=True)
class Graph:
    """The parameters that a loss depends on, as its graph has them; looked at now and then."""

    handler: ClassVar[str] = "on_graph"

    parameters: tuple[weakref.ref[Any], ...]
    place: Place | None  # of the backward call


@dataclass(slots=True)
class Similarity:
    """The matrix of similarities inside of a contrastive loss; looked at now and then."""

    handler: ClassVar[str] = "on_similarity"

    rows: int
    columns: int
    temperature: float | None  # None where it is learned
    mean_norm: float | None  # of the features; None where nothing asks for a length of 1
    unnormalized: float | None  # the part of the features whose norm differs from 1
    without_positive: float | None  # the part of the anchors; None where the loss does not tell
    batches: tuple[Batch, ...]  # since the last step
    step: int
    place: Place | None  # of the backward call


@dataclass(slots=True)
class Forward:
    """A model was run on the first batch of a pass that looks like an evaluation."""

    handler: ClassVar[str] = "on_forward"

    loader: LoaderRecord
    pass_number: int
    samples: SampleSet | None
    fingerprint: int | None  # of the batch
    with_gradients: bool
    model: weakref.ref[Any]
    training: bool  # its mode
    active: tuple[str, ...]  # dropout and batch normalisation in training mode, by name
    calls: int  # on this batch
    output: tuple[float, float, float] | None  # what an output of classes sums up to
    step: int
    place: Place | None
    weights: float | None = None  # what a sample of the model's own numbers sums up to
    is_held: bool = True  # an optimizer has parameters of the model


@dataclass(slots=True)
class ModeSwitch:
    """`train()` or `eval()` was called on a model."""

    handler: ClassVar[str] = "on_mode"

    model: object
    training: bool
    place: Place | None


@dataclass(slots=True)
class Schedule:
    """A learning-rate scheduler, from its construction on."""

    handler: ClassVar[str] = "on_schedule"

    kind: str
    optimizer: weakref.ref[Any]  # one with that of its record: plain references to one object
    place: Place | None
    steps: int = 0  # after the one that its constructor makes
    planned: int | None = None  # how many steps it was made for, where it says so


@dataclass(slots=True)
class Overwrite:
    """A scheduler's step replaced rates that something other than a scheduler had set."""

    handler: ClassVar[str] = "on_overwrite"

    schedule: Schedule
    left: tuple[float, ...]  # by the scheduler's step before
    found: tuple[float, ...]
    now: tuple[float, ...]
    step: int  # of all optimizers, the last one before
    place: Place | None


@dataclass(slots=True)
class Evaluation:
    """What one loss function or metric came to, without gradients, since the last training step."""

    handler: ClassVar[str] = "on_evaluation"

    value: float  # the mean over the calls
    calls: int
    samples: int  # that the loaders handed out for it; 0 where none did
    step: int
    epoch: int
    is_metric: bool  # handed to a scheduler, and not seen being computed
    place: Place | None


@dataclass(slots=True)
class Tail:
    """Backward calls at the end of a pass over the training data that no step followed."""

    handler: ClassVar[str] = "on_tail"

    losses: tuple[Loss, ...]
    pass_number: int
    loader: LoaderRecord


@dataclass(slots=True)
class Save:
    """`torch.save` wrote something."""

    handler: ClassVar[str] = "on_save"

    path: str | None
    size: int | None
    place: Place | None
    is_checkpoint: bool = False  # it holds the parameters of a known model, or an optimizer's state


@dataclass(slots=True)
class End:
    """The run is over."""

    handler: ClassVar[str] = "on_end"

    crash: str | None = None
    is_early: bool = False  # a crash, or no more steps were wanted: what was to come is unknown
    pending: tuple[Loss, ...] = field(default_factory=tuple)  # backward calls without a step
    place: Place | None = None  # of the crash


Event = (
    Step
    | Batch
    | Pass
    | Graph
    | Similarity
    | Forward
    | ModeSwitch
    | Schedule
    | Overwrite
    | Evaluation
    | Tail
    | Save
    | End
)
