"""Naive shared bottom in closed form."""

from __future__ import annotations

import pytest

from tests.losses.by_hand import TWO, batch, loss, softplus, towers

# Four rows of (click, pay): both, a click, nothing, nothing.
LOGITS = [[[1.0, 0.5]], [[0.2, -0.3]], [[-0.8, 0.4]], [[-1.2, -1.0]]]
LABELS = [[[1.0, 1.0]], [[1.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]]]


def test_nsb() -> None:
    click = softplus(-1.0) + softplus(-0.2) + softplus(-0.8) + softplus(-1.2)
    pay = softplus(-0.5) + softplus(-0.3) + softplus(0.4) + softplus(-1.0)
    assert float(loss("nsb", TWO)(towers(LOGITS), batch(LABELS))) == pytest.approx((click + pay) / 4, abs=1e-12)
