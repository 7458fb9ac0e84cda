"""Reading settings: TOML, globs, values and requirement files."""
