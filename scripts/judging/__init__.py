"""Measuring trainlint on public repositories: what it finds there, and what readers say of it."""
