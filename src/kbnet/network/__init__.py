"""KBNet (sparse-to-dense pool, encoder of calibrated backprojection layers, decoder), PoseNet, and their weights."""
