"""RankNet in closed form."""

from __future__ import annotations

import pytest

from tests.losses.by_hand import batch, loss, softplus, towers


def test_ranknet() -> None:
    """Positives score 2 and 0, negatives 1 and -1."""
    expected = (softplus(1 - 2) + softplus(-1 - 2) + softplus(1 - 0) + softplus(-1 - 0)) / 4
    assert float(loss("ranknet")(towers([[2, 1, 0, -1]]), batch([[1, 0, 1, 0]]))) == pytest.approx(expected, abs=1e-12)


def test_ranknet_of_one_pair() -> None:
    value = loss("ranknet")(towers([[0.5, 0.2]]), batch([[1, 0]]))
    assert float(value) == pytest.approx(softplus(-0.3), abs=1e-12)
