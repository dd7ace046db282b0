"""Kinds of recordings that are read in place: one module a kind, which registers itself."""
