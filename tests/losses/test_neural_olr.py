"""Neural ordinal logistic regression: one tower, one order."""

from __future__ import annotations

import torch

from tests.losses.by_hand import loss
from tests.losses.ordinal_rows import info


def test_neural_olr_has_one_tower_and_one_order() -> None:
    made = loss("neural-olr", info(3))
    assert made.towers == 1
    score = made.score(torch.randn(6, 1, dtype=torch.float64))
    assert score.shape == (6, 3)
    torch.testing.assert_close(score[:, :1] - score, (score[:1, :1] - score[:1]).expand(6, 3))
