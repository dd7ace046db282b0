"""The propagation head: what it copies, what it keeps, and how it doubles the resolution."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kbnet.network.propagation import GRID_SPACING, LARGEST_SLOPE, PropagationHead

HEIGHT, WIDTH = 10, 14
"""Of the propagated depth; inputs are twice as large."""

NO_POINTS = torch.zeros(1, 1, 2 * HEIGHT, 2 * WIDTH)
CENTRE_ONLY = torch.zeros(1, 9, 4, HEIGHT, WIDTH)
CENTRE_ONLY[:, 4] = 1e3
CENTRE_ONLY = CENTRE_ONLY.reshape(1, 36, HEIGHT, WIDTH)
"""Logits under which a pixel becomes four copies of itself."""


class Given(nn.Module):
    """In the place of a layer: returns what it was given."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output

    def forward(self, _: Tensor) -> Tensor:
        return self.output


def head_of(predicted: Tensor, logits: Tensor = CENTRE_ONLY, **changes: Any) -> PropagationHead:
    arguments = {"steps": 1, "taps": 9, "reach": 12.0, **changes}
    head = PropagationHead(4, **arguments)
    head.prediction = Given(predicted)  # type: ignore[assignment]
    head.upsampling = Given(logits)  # type: ignore[assignment]
    return head


def prediction_of(
    taps: int = 9,
    *,
    offsets: Tensor | None = None,
    weights: Tensor | None = None,
    confidence: float = 0.0,
    slope: tuple[float, float] = (0.0, 0.0),
    residual: float = 0.0,
) -> Tensor:
    """What the 3x3 convolution predicts; by default every pixel is copied to itself."""
    size = (HEIGHT, WIDTH)
    if weights is None:
        weights = torch.full((taps, *size), -100.0)
        weights[taps // 2] = 100.0
    offsets = torch.zeros(2 * taps, *size) if offsets is None else offsets
    rest = torch.tensor([confidence, *slope, residual])[:, None, None].expand(4, *size)
    return torch.cat([offsets, weights, rest])[None]


def propagated(head: PropagationHead, u: Tensor, points: Tensor = NO_POINTS, validity: Tensor = NO_POINTS) -> Tensor:
    """Output of a head with ``CENTRE_ONLY`` for relative ln depth u, (H, W); (H, W)."""
    scaffold = F.interpolate(u[None, None], scale_factor=2.0, mode="nearest")
    full = head(torch.zeros(1, 4, HEIGHT, WIDTH), scaffold, points, validity)
    assert full.shape == (1, 1, 2 * HEIGHT, 2 * WIDTH)
    torch.testing.assert_close(full[..., ::2, ::2], full[..., 1::2, 1::2])
    return full[0, 0, ::2, ::2]


def random(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def offsets_for(wanted: Tensor, tap: int, head_reach: float, taps: int = 9) -> Tensor:
    """Predicted values for which one tap has the wanted x and y offsets, (2, H, W), pixels."""
    side = round(taps**0.5)
    grid = torch.tensor([tap % side - side // 2, tap // side - side // 2]) * GRID_SPACING
    offsets = torch.zeros(taps, 2, HEIGHT, WIDTH)
    offsets[tap] = 3 * torch.atanh((wanted - grid[:, None, None]) / head_reach)
    return offsets.view(2 * taps, HEIGHT, WIDTH)


@pytest.mark.parametrize(("taps", "tap", "steps"), [(9, 4, 1), (9, 2, 3), (25, 3, 2)])
def test_propagation_copies_the_value_at_an_integer_offset(taps: int, tap: int, steps: int) -> None:
    """Against a slow loop, positions kept inside the frame."""
    generator = torch.Generator().manual_seed(1)
    wanted = torch.randint(-6, 7, (2, HEIGHT, WIDTH), generator=generator).float()
    weights = torch.full((taps, HEIGHT, WIDTH), -100.0)
    weights[tap] = 100.0
    predicted = prediction_of(taps, offsets=offsets_for(wanted, tap, 12.0, taps), weights=weights)
    expected = u = random(HEIGHT, WIDTH)
    for _ in range(steps):
        before, expected = expected, torch.empty_like(u)
        for y in range(HEIGHT):
            for x in range(WIDTH):
                column, row = (int(value) for value in wanted[:, y, x])
                expected[y, x] = before[min(max(y + row, 0), HEIGHT - 1), min(max(x + column, 0), WIDTH - 1)]
    copied = propagated(head_of(predicted, taps=taps, steps=steps), u)
    torch.testing.assert_close(copied, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("sign", "corner"), [(1.0, (-1, -1)), (-1.0, (0, 0))])
def test_propagation_reads_the_border_where_an_offset_leaves_the_frame(sign: float, corner: tuple[int, int]) -> None:
    u = random(HEIGHT, WIDTH)
    predicted = prediction_of(offsets=torch.full((18, HEIGHT, WIDTH), sign * 9.0))
    copied = propagated(head_of(predicted, reach=1e4), u)
    torch.testing.assert_close(copied, u[corner].expand_as(u))


def test_propagation_without_slope_and_residual_stays_within_the_range_of_the_scaffold() -> None:
    u = random(HEIGHT, WIDTH)
    predicted = torch.cat([3 * random(27, HEIGHT, WIDTH, seed=2), torch.zeros(4, HEIGHT, WIDTH)])[None]
    copied = propagated(head_of(predicted, steps=4), u)
    assert float(copied.min()) >= float(u.min()) - 1e-5
    assert float(copied.max()) <= float(u.max()) + 1e-5
    assert float((copied - u).abs().max()) > 0.1


def test_propagation_keeps_a_plane_of_its_slope() -> None:
    """Away from the border, whatever the offsets and weights are."""
    slope = torch.tensor([0.03, -0.05])
    u = slope[0] * torch.arange(float(WIDTH)) + slope[1] * torch.arange(float(HEIGHT))[:, None]
    raw_x, raw_y = (torch.atanh(slope / LARGEST_SLOPE) / 0.3).tolist()
    offsets = random(18, HEIGHT, WIDTH, seed=3).clamp(-1, 1)
    predicted = prediction_of(offsets=offsets, weights=random(9, HEIGHT, WIDTH, seed=4), slope=(raw_x, raw_y))
    kept = propagated(head_of(predicted, reach=2.0), u)
    inner = (slice(3, -3), slice(3, -3))
    torch.testing.assert_close(kept[inner], u[inner], rtol=0, atol=1e-5)


@pytest.mark.parametrize("confidence", [-100.0, 100.0])
def test_propagation_takes_confident_points_and_ignores_others(confidence: float) -> None:
    """Of two points in a cell their mean; a cell without points keeps the scaffold."""
    u = random(HEIGHT, WIDTH)
    points, validity = NO_POINTS.clone(), NO_POINTS.clone()
    for row, column, value in ((4, 6, 0.5), (5, 7, 0.9), (12, 20, -0.3)):
        points[0, 0, row, column], validity[0, 0, row, column] = value, 1.0
    expected = u.clone()
    if confidence > 0:
        expected[2, 3], expected[6, 10] = 0.7, -0.3
    kept = propagated(head_of(prediction_of(confidence=confidence), steps=3), u, points, validity)
    torch.testing.assert_close(kept, expected, rtol=0, atol=1e-4)


def test_propagation_scales_the_residual_by_the_local_range() -> None:
    u = torch.zeros(HEIGHT, WIDTH)
    u[:, -1] = 2.0
    added = propagated(head_of(prediction_of(residual=1.0)), u) - u
    torch.testing.assert_close(added[:, 0], torch.full((HEIGHT,), 0.1 * 0.05))
    torch.testing.assert_close(added[:, -1], torch.full((HEIGHT,), 0.1 * 2.05))


def test_doubling_starts_as_bilinear_interpolation() -> None:
    """But for the least weight of 0.002, which keeps the logarithm of each weight finite."""
    u = random(HEIGHT, WIDTH)
    head = head_of(prediction_of(), torch.zeros(1, 36, HEIGHT, WIDTH))
    scaffold = F.interpolate(u[None, None], scale_factor=2.0, mode="nearest")
    doubled = head(torch.zeros(1, 4, HEIGHT, WIDTH), scaffold, NO_POINTS, NO_POINTS)
    bilinear = F.interpolate(u[None, None], scale_factor=2.0, mode="bilinear", align_corners=False)
    assert float((doubled - bilinear).abs().max()) < 0.01 * float(u.max() - u.min())


def test_doubling_stays_within_the_neighbours_and_can_choose_one() -> None:
    u = random(HEIGHT, WIDTH)[None, None]
    scaffold = F.interpolate(u, scale_factor=2.0, mode="nearest")
    arguments = (torch.zeros(1, 4, HEIGHT, WIDTH), scaffold, NO_POINTS, NO_POINTS)
    doubled = head_of(prediction_of(), 3 * random(1, 36, HEIGHT, WIDTH, seed=5))(*arguments)
    padded = F.pad(u, (1, 1, 1, 1), mode="replicate")
    largest, smallest = (F.max_pool2d(sign * padded, 3, stride=1) * sign for sign in (1, -1))
    for part in (doubled[..., row::2, column::2] for row in range(2) for column in range(2)):
        assert bool(((part <= largest + 1e-5) & (part >= smallest - 1e-5)).all())
    right_above = torch.zeros(1, 9, 4, HEIGHT, WIDTH)
    right_above[:, 2] = 1e3
    chosen = head_of(prediction_of(), right_above.reshape(1, 36, HEIGHT, WIDTH))(*arguments)
    torch.testing.assert_close(chosen[..., 1::2, ::2], padded[..., :-2, 2:])


def fresh_head(**changes: Any) -> PropagationHead:
    torch.manual_seed(0)
    head = PropagationHead(4, **{"steps": 4, "taps": 9, "reach": 12.0, **changes})
    head.initialise()
    return head


def test_a_fresh_head_smooths_the_scaffold_mildly() -> None:
    u = torch.linspace(-1, 1, 2 * WIDTH).repeat(1, 1, 2 * HEIGHT, 1)
    with torch.no_grad():
        depth = fresh_head()(random(1, 4, HEIGHT, WIDTH), u, NO_POINTS, NO_POINTS)
    assert 0 < float((depth - u).abs()[..., 8:-8].max()) < 0.05 * float(u.max() - u.min())


def test_gradients_of_the_head_are_finite_and_reach_every_weight() -> None:
    head = fresh_head()
    features = random(1, 4, HEIGHT, WIDTH).requires_grad_()
    validity = (random(1, 1, 2 * HEIGHT, 2 * WIDTH) > 1.5).float()
    u = random(1, 1, 2 * HEIGHT, 2 * WIDTH, seed=1)
    head(features, u, 0.5 * validity, validity).square().sum().backward()
    assert features.grad is not None
    assert bool(torch.isfinite(features.grad).all())
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert bool(torch.isfinite(parameter.grad).all()), name
        assert float(parameter.grad.abs().max()) > 0, name


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_head_computes_depth_in_float32(dtype: torch.dtype) -> None:
    """With the features in 16 bits, depth differs by their rounding and not by that of depth."""
    head = fresh_head().eval()
    features, u = random(1, 4, HEIGHT, WIDTH), random(1, 1, 2 * HEIGHT, 2 * WIDTH, seed=1)
    exact = head(features, u, NO_POINTS, NO_POINTS)
    rough = head.to(dtype)(features.to(dtype), u, NO_POINTS, NO_POINTS)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0, atol=0.03)
