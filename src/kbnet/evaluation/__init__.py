"""How good depth is: against ground truth, at sparse points held out, before and after training."""
