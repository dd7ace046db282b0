"""NYU Depth v2: archive, splits, raw parts, sparse points."""
