"""The commands: each takes parsed options, prints, and returns an exit code."""
