"""trainlint finds the bugs in training scripts that cost GPU-days."""

__version__ = "0.1.0"
