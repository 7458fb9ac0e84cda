"""The shipped rules. In a checkout they stand in the top-level folder ``rules``."""

from pathlib import Path as _Path

_here = _Path(__file__).parent
_checkout = _here.parent.parent / "rules"
if not any(p.name != "__init__.py" for p in _here.glob("*.py")) and _checkout.is_dir():
    __path__ = [str(_checkout)]
