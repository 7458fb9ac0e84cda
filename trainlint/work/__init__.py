"""The work of one run: the pool, its workers, results and repairs."""
