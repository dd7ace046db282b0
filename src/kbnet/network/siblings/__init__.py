"""The authors' sibling systems beside KBNet: VOICED, ScaffNet and FusionNet, at parity with their published files."""
