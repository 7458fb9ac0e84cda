"""`trainlint run`: a program as it is, with a watch inside of each of its processes."""
