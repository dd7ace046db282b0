"""Names of engines and precisions. Without torch, for a fast command-line help."""

from __future__ import annotations

from typing import Literal

EngineName = Literal["auto", "torch", "onnxruntime", "openvino"]
"""``auto``: the fastest installed engine."""

Precision = Literal["auto", "float32", "float16", "bfloat16", "int8"]
"""``auto``: float32, or the precision of an exported file."""
