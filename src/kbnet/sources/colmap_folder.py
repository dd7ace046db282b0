"""Files of a COLMAP model."""

from __future__ import annotations

from pathlib import Path


def holds_model(folder: Path) -> bool:
    """Whether a folder holds a model, text or binary."""
    parts = ("cameras", "images", "points3D")
    return any(all((folder / f"{part}.{suffix}").is_file() for part in parts) for suffix in ("bin", "txt"))
