"""Write a source of frames as sequence folders that the other commands read."""
