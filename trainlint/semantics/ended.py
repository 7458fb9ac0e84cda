"""What a file imports that has no newer releases, or uses of releases that have ended.

It holds back what goes with it: Chainer cannot be imported beside NumPy 2, and TensorFlow 1 has no
build for a Python later than 3.7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from trainlint.config.companions import bounded
from trainlint.config.targets import Range, parse_version
from trainlint.semantics.changed import imported_packages

if TYPE_CHECKING:
    from trainlint.semantics.facts import File

# What is not developed any more, and its last release.
_LAST = {"chainer": "7.8.1", "mxnet": "1.9.1", "theano": "1.0.5"}
# What TensorFlow 2 has in `tensorflow.compat.v1` alone, as its `renames_v2.py` lists.
_TENSORFLOW_1 = (
    r"tensorflow\.(?:(?:app|contrib|flags|layers|logging)\..*|(?:Interactive)?Session|placeholder"
    r"|ConfigProto|GPUOptions|get_variable|variable_scope|trainable_variables|set_random_seed"
    r"|global_variables_initializer|reset_default_graph|enable_eager_execution"
    r"|train\.(?:\w+Optimizer|Saver)|summary\.FileWriter)"
)
# Such a file may run on either.
_EITHER = r"\bcompat\b|disable_v2|__version__|ImportError|ModuleNotFoundError"


def held_back(file: File) -> Mapping[str, Range]:
    """The releases that go with what the file cannot do without."""
    packages = imported_packages(file)
    if re.search(_EITHER, file.source.text) is not None:
        return {}
    found = {
        name: Range(None, parse_version(last)) for name, last in _LAST.items() if name in packages
    }
    if "tensorflow" in packages and file.calls_to(_is_of_tensorflow_1):
        found["tensorflow"] = Range(None, (2,), below=True)
    return bounded(found) if found else {}


def _is_of_tensorflow_1(name: str) -> bool:
    return re.fullmatch(_TENSORFLOW_1, name) is not None
