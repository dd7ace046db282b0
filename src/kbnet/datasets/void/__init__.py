"""VOID: archives and splits."""
