"""Geometry of pinhole cameras and rigid motion on tensors; imports no other part of this library.

Conventions of the whole library:

- Camera axes: x right, y down, z forward. Depth is along z, in metres; 0 = unmeasured.
- Pixels: (x, y) = (column, row), pixel centres on whole numbers, so the first pixel's centre is (0, 0) and an image of
  width W spans -0.5 to W - 0.5.
- Intrinsics K map camera axes to pixels: ``[x, y, 1] ~ K @ [X, Y, Z]``.
- Poses are 4x4 and named ``T_target_source``: ``x_target = T_target_source @ x_source``, translations in metres. Names
  chain where inner parts meet: ``T_a_c = T_a_b @ T_b_c``.
- Tensors put batch first, channels second: images (B, 3, H, W), depth (B, 1, H, W), K (B, 3, 3), poses (B, 4, 4).
"""
