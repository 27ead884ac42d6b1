"""ESMM in closed form."""

from __future__ import annotations

from math import log

import pytest

from tests.losses.by_hand import TWO, batch, loss, sigmoid, softplus, towers

# Four rows of (click, pay): both, a click, nothing, nothing.
LOGITS = [[[1.0, 0.5]], [[0.2, -0.3]], [[-0.8, 0.4]], [[-1.2, -1.0]]]
LABELS = [[[1.0, 1.0]], [[1.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]]]


def test_esmm() -> None:
    click = softplus(-1.0) + softplus(-0.2) + softplus(-0.8) + softplus(-1.2)
    bought = -log(sigmoid(1.0) * sigmoid(0.5))
    left = sum(-log(1 - sigmoid(a) * sigmoid(b)) for a, b in ((0.2, -0.3), (-0.8, 0.4), (-1.2, -1.0)))
    value = loss("esmm", TWO)(towers(LOGITS), batch(LABELS))
    assert float(value) == pytest.approx((click + bought + left) / 4, abs=1e-12)


def test_esmm_weights_positives_per_feedback() -> None:
    plain = loss("esmm", TWO)(towers(LOGITS), batch(LABELS))
    weighted = loss("esmm", TWO, pos_weight="1,3")(towers(LOGITS), batch(LABELS))
    paid = softplus(-1.0) + softplus(-0.5)  # -log(p1 p2) of the only row with pay
    assert float(weighted - plain) == pytest.approx(2 * paid / 4, abs=1e-12)
