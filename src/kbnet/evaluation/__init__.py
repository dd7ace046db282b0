"""Evaluation of depth: against ground truth, at held-out points, before and after training."""
