"""From triplets to weights: configuration and presets, one training step, the loop, checkpoints."""
