"""Truncated BPR in closed form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.losses.by_hand import batch, softplus, towers
from tests.losses.denoising_slates import MARGINS, pairs, truncated


def test_tce_bpr() -> None:
    value = truncated("tce-bpr", drop=0.25)(towers(pairs(MARGINS)), batch([[1, 0]] * 4))
    expected = (softplus(-1) + softplus(-0.2) + softplus(0.4)) / 3  # without the margin of -1
    assert float(value) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=30, unique=True), st.floats(0, 0.99))
def test_tce_bpr_is_the_mean_of_the_smallest_losses(margins: list[float], drop: float) -> None:
    expected = sorted(softplus(-margin) for margin in margins)[: int((1 - drop) * len(margins))]
    value = truncated("tce-bpr", drop=drop)(towers(pairs(margins)), batch([[1, 0]] * len(margins)))
    # losses are ranked in float32, where either of two that are nearly equal may stay
    assert float(value) == pytest.approx(sum(expected) / max(len(expected), 1), abs=2e-6)
