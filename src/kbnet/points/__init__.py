"""Sparse points: outlier rejection, interpolation and extrapolation to a scaffold, sampling and hold-out."""
