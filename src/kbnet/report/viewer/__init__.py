"""A sequence in a web viewer: its point clouds, frame by frame."""
