"""Several frames as one: all depth of a sequence as points or a surface, sparse points of neighbours as one frame's."""
