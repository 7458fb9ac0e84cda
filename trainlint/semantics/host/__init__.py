"""The way through the parser of this Python, which most texts go."""
