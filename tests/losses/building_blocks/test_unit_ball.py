"""Covariances in their published values."""

from __future__ import annotations

import pytest
import torch

from recbench.losses.building_blocks.unit_ball import off_diagonal


@pytest.mark.parametrize(("signed", "expected"), [(False, 0.0048757812500000025), (True, -0.1975)])
def test_published_covariances(signed: bool, expected: float) -> None:
    vectors = torch.tensor([[1.0, 0], [0, 1], [0.5, 0.5], [-0.2, 0.3], [9, 9]], dtype=torch.double)
    counts = torch.tensor([1.0, 1, 1, 1, 0], dtype=torch.double)
    assert off_diagonal(vectors, counts, signed).item() == pytest.approx(expected, abs=1e-12)
