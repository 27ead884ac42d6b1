from __future__ import annotations

import math

import pytest

from recbench.errors import UsageError
from recbench.plots.kernels import panels

CLOSED = {
    "hinge, margin 2": lambda x: max(x + 2, 0),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "exp": math.exp,
    "softplus": lambda x: math.log(1 + math.exp(x)),
    "step": lambda x: float(x >= 0),
}


def test_kernels_in_closed_form() -> None:
    drawn = {line.label: line.points for line in panels([0], 2, 100)[0].lines}
    assert drawn.keys() == CLOSED.keys()
    for label, points in drawn.items():
        assert (points[0].x, points[-1].x, len(points)) == (-4, 4, 401)
        assert [p.mean for p in points] == pytest.approx([CLOSED[label](p.x) for p in points], abs=1e-9)


def test_weights_are_densities_over_the_ranks() -> None:
    for alpha, line in zip([0, 0.5, 1, 2], panels([0, 0.5, 1, 2], 1, 100)[1].lines, strict=True):
        points = line.points
        assert (points[0].x, points[-1].x) == pytest.approx((1, 101))
        whole = sum((a.mean + b.mean) / 2 * (b.x - a.x) for a, b in zip(points, points[1:], strict=False))
        assert whole == pytest.approx(1, rel=1e-3)
        assert points[0].mean / points[-1].mean == pytest.approx(101**alpha)


@pytest.mark.parametrize("words", [([-1], 1, 100), ([0], -1, 100), ([0], 1, 1), ([math.nan], 1, 100)])
def test_what_is_out_of_range(words: tuple[list[float], float, int]) -> None:
    with pytest.raises(UsageError, match="expected"):
        panels(*words)
