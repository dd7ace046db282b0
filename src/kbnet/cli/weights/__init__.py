"""Named weights: list them, import the published ones, download those."""
