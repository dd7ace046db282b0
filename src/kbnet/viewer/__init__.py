"""A sequence in a web viewer: its clouds in three dimensions, frame by frame."""
