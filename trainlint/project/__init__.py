"""The modules around a file: which there are, what they import, and their trees on demand."""
