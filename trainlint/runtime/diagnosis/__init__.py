"""Tools for before a run: a model on one batch, and what a sampler makes of the data."""
