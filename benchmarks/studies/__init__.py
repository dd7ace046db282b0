"""Studies: comparison of recipes at equal compute, robustness against degraded frames, and curves."""
