"""LambdaRank in closed form."""

from __future__ import annotations

from math import log, log2

import pytest
import torch

from recbench.batch import Towers
from tests.losses.by_hand import SINGLE, batch, loss, sigmoid, softplus, tensor, towers
from tests.losses.random_lists import (
    LABELS,
    SCORES,
)


@pytest.mark.parametrize(("per", "count"), [("pairs", 4), ("lists", 1)])
def test_lambdarank(per: str, count: int) -> None:
    """The scores fall from slot to slot, so that a slot is its place."""
    scores = SCORES[0]
    gain = [1 / log2(2 + place) / (1 + 1 / log2(3)) for place in range(4)]  # of a positive in the NDCG
    pairs = [(0, 1), (0, 3), (2, 1), (2, 3)]
    total = sum(abs(gain[i] - gain[j]) * softplus(scores[j] - scores[i]) / log(2) for i, j in pairs)
    value = loss("lambdarank", SINGLE, per=per)(towers(SCORES), batch(LABELS))
    assert float(value) == pytest.approx(total / count, abs=1e-6)


def test_lambdarank_ranks_negatives_first_among_ties() -> None:
    label = [1, 0, 0]
    gains = [1 / log2(2 + place) for place in range(3)]  # the positive stands at place 2
    expected = sum((gains[place] - gains[2]) * softplus(0.0) / log(2) for place in (0, 1)) / 2
    for order in ([0, 1, 2], [1, 0, 2], [1, 2, 0]):
        labels = [[float(label[i]) for i in order]]
        result = loss("lambdarank", SINGLE)(towers([[0.3, 0.3, 0.3]]), batch(labels))
        assert float(result) == pytest.approx(expected, abs=1e-6)


def test_lambdarank_weights_pass_no_gradient() -> None:
    inner = tensor(SCORES).requires_grad_()
    loss("lambdarank", SINGLE, per="lists")(
        Towers(torch.empty(0), torch.empty(0), pair=inner), batch(LABELS)
    ).backward()
    gains = [1 / log2(2 + place) / (1 + 1 / log2(3)) for place in range(4)]  # scores fall, so place = slot
    lowest = -sum((gains[i] - gains[3]) * -sigmoid(-1.0 - s) / log(2) for i, s in ((0, 2.0), (2, 0.0)))
    assert inner.grad is not None
    assert float(inner.grad[0, 3, 0]) == pytest.approx(lowest, abs=1e-6)
