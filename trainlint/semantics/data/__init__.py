"""The data in the field's words: splits, loaders, rows, and what was learned from them."""

import os as _os

from trainlint.lazily import prepare as _prepare

_prepare(__name__, _os.path.dirname(__file__))
