"""ESCM2, doubly robust."""

from __future__ import annotations

import pytest

from tests.losses.by_hand import TWO, batch, loss
from tests.losses.multitask_rows import (
    CLICK_PAY,
    four_rows,
    of,
    plain_rows,
    random_rows,
    slow_escm2_dr,
    two_towers,
)


def test_equals_a_slow_loop_with_an_unbounded_imputation() -> None:
    inner, labels = random_rows("escm2-dr", TWO)
    rows = plain_rows(inner, labels)
    value = loss("escm2-dr", TWO, imputation="softplus", largest=1.5)(of(inner), labels)
    expected = sum(slow_escm2_dr(row, [1.0, 1.0], "softplus", 1.5) for row in rows) / len(rows)
    assert float(value) == pytest.approx(expected, rel=1e-10)


def test_escm2_dr() -> None:
    """The mean over four rows of the sum of its terms, by a loop over the formulas."""
    value = loss("escm2-dr", TWO)(two_towers("escm2-dr"), batch(CLICK_PAY))
    expected = sum(slow_escm2_dr(row, [1.0, 1.0]) for row in four_rows("escm2-dr")) / 4
    assert float(value) == pytest.approx(expected, abs=1e-12)
