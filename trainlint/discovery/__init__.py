"""Which files belong to a project, and what its files say of it."""
