"""Sibling systems of KBNet by its authors: VOICED, ScaffNet and FusionNet, at parity with their published files."""
