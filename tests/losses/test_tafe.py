"""TAFE."""

from __future__ import annotations

import pytest
import torch

from tests.losses.by_hand import THREE, TWO, batch, loss
from tests.losses.multitask_rows import CLICK_PAY, four_rows, random_rows, slow_tafe, two_towers


def test_tafe_is_ranked_by_each_logit() -> None:
    inner, _ = random_rows("tafe", THREE)
    made = loss("tafe", THREE)
    assert torch.equal(made.score(inner), inner)
    log_probability = made.log_probability(inner)
    assert log_probability is not None
    torch.testing.assert_close(log_probability.exp(), inner.sigmoid())


def test_tafe() -> None:
    """The mean over four rows of the sum of its terms, by a loop over the formulas."""
    value = loss("tafe", TWO)(two_towers("tafe"), batch(CLICK_PAY))
    expected = sum(slow_tafe(row, [1.0, 1.0]) for row in four_rows("tafe")) / 4
    assert float(value) == pytest.approx(expected, abs=1e-12)
