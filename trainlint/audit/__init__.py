"""The audit of a training program: what was verified, what was found, what only a run decides."""
