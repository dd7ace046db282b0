"""Web viewer of a sequence: point clouds by frame."""
