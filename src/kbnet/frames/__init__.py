"""Recordings and their frames: opening, reading and writing."""
