"""Published data sets: download, archives, and the files of every frame."""
