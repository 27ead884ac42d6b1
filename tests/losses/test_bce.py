"""Binary cross-entropy in closed form."""

from __future__ import annotations

import pytest

from tests.losses.by_hand import batch, loss, rows, softplus, towers


@pytest.mark.parametrize("weight", [1.0, 2.0])
def test_bce(weight: float) -> None:
    value = loss("bce", pos_weight=weight)(towers(rows([2, -1, 0.5, -2])), batch(rows([1, 1, 0, 0])))
    expected = (weight * (softplus(-2) + softplus(1)) + softplus(0.5) + softplus(-2)) / 4
    assert float(value) == pytest.approx(expected, abs=1e-12)
