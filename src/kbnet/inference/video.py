"""VideoCompleter: depth of a video with known poses, completed with the points and the depth of earlier frames."""

from __future__ import annotations

import warnings
from dataclasses import replace
from numbers import Integral
from typing import Literal, overload

import numpy as np

from kbnet.errors import KBNetError, expect
from kbnet.frame import Float64Array, FloatArray, Frame, Prior
from kbnet.inference.completer import DepthCompleter
from kbnet.network.inputs import kept_depth
from kbnet.network.siblings.config import NetworkConfig
from kbnet.network.working_size import reduced_intrinsics, spread_points, values_at_cells, working_factor
from kbnet.points.past_depth import PastDepth, weight_as_prior
from kbnet.points.past_points import (
    PointMap,
    added_to,
    agrees_with_depth,
    is_hidden,
    is_shown,
    newest_in_cells,
    predicts_present_points,
)

PAST_FRAMES = 30
"""Default number of past frames whose points are used."""

MOST_POINTS = 4000
"""Of more points in a frame, an evenly spread part is remembered and compared with the past."""

POINT_TOLERANCE = 0.08
"""Largest difference of ln depth between a measured point and completed depth for the point to be remembered."""

SEEN_THROUGH = 0.15
"""A past point that is nearer than completed depth by more than this, in ln depth, is forgotten."""

LEAST_AGREEMENT = 0.6
"""If past points predict a smaller share of the present points, all of the past is forgotten: the poses jumped."""

STRIDE = 2
"""Past depth is projected into the present camera at this fraction of the working size."""

LEAST_UNTESTED = 20
"""From this number of past points on, those that the frame before does not show are tested by a first completion."""


class VideoCompleter:
    """Depth completer for the frames of one video in order, with poses. It uses earlier frames only.

    For every frame:

    1. The given pose is moved a little, so that the present points lie on the depth of the frame before
       (:meth:`kbnet.points.past_depth.PastDepth.aligned_pose`). It corrects small errors of poses and time stamps.
    2. Points of the last frames are projected into the present camera. They must agree with the depth of the frame
       before, as seen from the present camera (occlusion), and must predict the present points about as well as these
       predict each other. They are added where there is no present point. If the frame before does not show the place
       of some of them, the frame is completed without these first. They are dropped if they are behind this depth,
       because an object that has come into view hides them.
    3. The depth of the frame before, as seen from the present camera, is the prior of the scaffold
       (:func:`kbnet.points.prior.corrected_prior`). It steadies depth. The prior of a frame itself is preferred.
    4. Measured points that agree with the completed depth are remembered. Past points that the present camera sees
       through are forgotten.

    Memory and time a frame are constant. It holds a state, so each video and each thread needs its own.

    Args:
        completer: of :func:`kbnet.load`; its network has a scaffold.
        past_frames: number of past frames whose points are used, at least 1.

    Raises:
        KBNetError: the network has no scaffold, or the number is not positive.

    Example::

        completer = kbnet.VideoCompleter(kbnet.load("indoor"))
        for image, sparse_depth, T_world_camera in stream:
            depth = completer(kbnet.Frame(image, sparse_depth, K, T_world_camera=T_world_camera))
    """

    def __init__(self, completer: DepthCompleter, *, past_frames: int = PAST_FRAMES) -> None:
        if not callable(completer):
            raise KBNetError(f"expected a completer of kbnet.load, got a {type(completer).__name__}")
        expect(past_frames, Integral, "a whole number of past frames")
        if past_frames < 1:
            raise KBNetError(f"expected at least 1 past frame, got {past_frames}; leave out the past instead")
        if getattr(getattr(completer, "config", None), "scaffold", "none") in ("none", "hull"):
            raise KBNetError(
                "expected weights with a dense scaffold to use the past, such as 'indoor'; choose these, or complete "
                "frame by frame"
            )
        self.completer = completer
        self._map = PointMap(past_frames)
        self._past: PastDepth | None = None
        self._jump_told = False

    @property
    def config(self) -> NetworkConfig:
        return self.completer.config

    def reset(self) -> None:
        """Forget the past, before the first frame of another video."""
        self._forget()
        self._jump_told = False

    def _forget(self) -> None:
        self._map.clear()
        self._past = None

    @overload
    def __call__(self, frame: Frame, *, return_error: Literal[False] = False) -> FloatArray: ...
    @overload
    def __call__(self, frame: Frame, *, return_error: Literal[True]) -> tuple[FloatArray, FloatArray]: ...

    def __call__(self, frame: Frame, *, return_error: bool = False) -> FloatArray | tuple[FloatArray, FloatArray]:
        """Complete the next frame.

        Args:
            frame: with ``T_world_camera``. Size and K can change from frame to frame.
            return_error: return the expected absolute error too, for weights that predict it.

        Returns:
            Dense depth, (H, W), float32 metres; with ``return_error`` a pair of depth and expected error.

        Raises:
            KBNetError: the frame has no pose, or as :class:`kbnet.DepthCompleter`.
        """
        expect(frame, Frame, "a kbnet.Frame")
        if frame.T_world_camera is None:
            raise KBNetError(
                f"expected a frame with T_world_camera to use the past, but frame '{frame.name}' has none; "
                "give its pose, or complete it with kbnet.DepthCompleter"
            )
        factor = working_factor(frame.size, self.config.working_side)
        inliers = spread_points(kept_depth(frame.sparse_depth, frame.intrinsics, self.config), MOST_POINTS)
        K = reduced_intrinsics(frame.intrinsics, factor)
        T_world_camera = frame.T_world_camera.astype(np.float64)
        if self._past is not None:
            T_world_camera = self._past.aligned_pose(inliers, K, T_world_camera)
        given = self._with_past(frame, inliers, K, T_world_camera, factor)
        result = self.completer(given, return_error=True) if return_error else self.completer(given)
        depth = result[0] if isinstance(result, tuple) else result
        if self._past is None:  # forgotten: the world is that of the given poses again
            T_world_camera = frame.T_world_camera.astype(np.float64)
        self._remember(depth, inliers, K, T_world_camera, factor)
        return result

    def _with_past(
        self, frame: Frame, inliers: FloatArray, K: FloatArray, T_world_camera: Float64Array, factor: int
    ) -> Frame:
        """The frame with past points, and with the past depth as prior."""
        if self._past is None:
            return frame
        step = STRIDE * factor
        reduced_size = tuple(-(-length // STRIDE) for length in inliers.shape)
        past_depth = self._past.seen_from(reduced_intrinsics(K, STRIDE), T_world_camera, reduced_size, STRIDE)
        past = self._map.seen_from(K, T_world_camera, inliers.shape)
        past = past.at(agrees_with_depth(past, past_depth, STRIDE))
        usable, agreement = predicts_present_points(past, inliers)
        if agreement < LEAST_AGREEMENT:
            if not self._jump_told:
                warnings.warn(
                    f"at frame '{frame.name}', points of earlier frames do not fit; the past is forgotten (a jump of "
                    "the poses, or another place; said once)",
                    stacklevel=3,
                )
                self._jump_told = True
            self._forget()
            return frame
        past = newest_in_cells(past.at(usable))
        prior = frame.prior
        if prior is None:
            weight = weight_as_prior(past_depth, inliers, STRIDE)
            values, own_weight = (
                cells.repeat(step, axis=0).repeat(step, axis=1)[: frame.size[0], : frame.size[1]]
                for cells in (past_depth, weight)
            )
            prior = Prior(values, "metric", own_weight)
        tested = is_shown(past, past_depth, STRIDE)
        points = added_to(frame.sparse_depth, past.at(tested), factor)
        given = replace(frame, sparse_depth=points, prior=prior)
        if tested.all():
            return given
        if np.count_nonzero(~tested) >= LEAST_UNTESTED and self.config.predicts_error:
            depth, error = (values_at_cells(values, factor) for values in self.completer(given, return_error=True))
            past = past.at(tested | ~is_hidden(past, depth, error))
        return replace(given, sparse_depth=added_to(frame.sparse_depth, past, factor))

    def _remember(
        self, depth: FloatArray, inliers: FloatArray, K: FloatArray, T_world_camera: Float64Array, factor: int
    ) -> None:
        """Forget past points that the camera sees through; remember the inliers that agree with completed depth."""
        working = values_at_cells(depth, factor)
        past = self._map.seen_from(K, T_world_camera, inliers.shape)
        self._map.drop(past.indices[np.log(past.depth / working[past.rows, past.columns]) < -SEEN_THROUGH])
        with np.errstate(divide="ignore"):
            agree = np.abs(np.log(inliers / working)) < POINT_TOLERANCE
        self._map.add(np.where(agree, inliers, 0), K, T_world_camera)
        self._past = PastDepth(working, K, T_world_camera)
