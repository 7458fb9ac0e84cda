"""The training script in the field's words: loops, windows, modes, losses, checkpoints."""

import os as _os

from trainlint.lazily import prepare as _prepare

_prepare(__name__, _os.path.dirname(__file__))
