"""A recording of one camera whose lens distortion is taken out."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TypeVar

from kbnet.frames.recording import Recording
from kbnet.sources.rectification import Camera, Rectification

T = TypeVar("T")


class RectifiedRecording(Recording[T]):
    """Frames of one camera without distortion; a subclass gives :attr:`camera`."""

    @property
    @abstractmethod
    def camera(self) -> Camera:
        """Camera of the images as recorded."""

    @cached_property
    def rectification(self) -> Rectification:
        """Distortion of the camera, and the pinhole camera of the frames."""
        return Rectification(self.camera)

    @property
    def lens(self) -> str:
        """What was done about the lens, for people."""
        return "no distortion" if self.camera.is_pinhole else f"{self.camera.model} distortion taken out"
