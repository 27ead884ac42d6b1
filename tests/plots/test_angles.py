from __future__ import annotations

import math

import pytest
import torch

from recbench.plots.angles import BIN, degrees


@pytest.mark.parametrize("angle", [0, 0.01, 45, 89.99, 90, 135, 180])
def test_angles_in_the_plane(angle: float) -> None:
    user = torch.tensor([[3.0, 0.0]], dtype=torch.double)
    item = 0.1 * torch.tensor([[math.cos(math.radians(angle)), math.sin(math.radians(angle))]], dtype=torch.double)
    assert float(degrees(user, item)) == pytest.approx(angle, abs=1e-5)


def test_no_direction_is_neither_near_nor_far() -> None:
    assert degrees(torch.zeros(1, 3), torch.ones(1, 3)).tolist() == pytest.approx([90])


def test_parallel_float_vectors_are_no_nan() -> None:
    vectors = torch.randn(1000, 7, generator=torch.Generator().manual_seed(0))
    assert float(degrees(vectors, 5 * vectors).max()) < 0.1
    assert float(degrees(vectors, -vectors).min()) > 179.9


def test_bins_fill_the_half_circle() -> None:
    assert 180 % BIN == 0
