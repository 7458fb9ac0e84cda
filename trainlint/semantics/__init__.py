"""What a file says, in the field's words: tree, names, flow, values and the training script."""

import os as _os

from trainlint.lazily import prepare as _prepare

_prepare(__name__, _os.path.dirname(__file__))
