"""How fast completion and training are: the plain yardstick, the clock, and what is timed with it."""
