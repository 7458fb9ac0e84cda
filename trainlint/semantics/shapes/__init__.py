"""The shapes of tensors: what layers and operations make of them, and how a forward goes."""

import os as _os

from trainlint.lazily import prepare as _prepare

_prepare(__name__, _os.path.dirname(__file__))
