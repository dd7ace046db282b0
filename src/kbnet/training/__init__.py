"""Training: configuration and presets, data set, training step, loop, checkpoints, adaptation."""
