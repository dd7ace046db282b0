"""Loss terms of training as pure functions with masks, and their weighted sum; every loss is a scalar tensor."""
