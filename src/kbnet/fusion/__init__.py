"""The depth of a whole sequence as one: points in small cells, or a surface."""
