"""Data sets others published: where their files come from, and which of them make a frame."""
