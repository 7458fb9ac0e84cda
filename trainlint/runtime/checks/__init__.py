"""Runtime checks, one module for one criterion or a small family; found by walking this package."""
