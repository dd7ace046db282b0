"""The loss terms of training without labels, as pure functions with masks, and the objective that weighs them."""
