"""Training with repair: the wrapper, its monitor, and what bounds and takes back each repair."""
