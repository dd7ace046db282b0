"""Weights files: names, file format, and the import of published checkpoints."""
