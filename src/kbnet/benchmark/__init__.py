"""Benchmarks of speed: the plain baseline, time measurement, completion and training."""
