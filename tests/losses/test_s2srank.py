"""Set-to-set ranking in closed form."""

from __future__ import annotations

import pytest

from tests.losses.by_hand import SINGLE, batch, loss, softplus, towers


@pytest.mark.parametrize("set_weight", [0.0, 1.0])
def test_s2srank_with_the_easiest_negative(set_weight: float) -> None:
    """Positives score 2 and 0, negatives 1 and -1."""
    first = (softplus(1 - 2) + softplus(1 - 0)) / 2
    second = (softplus(-1 - 2) + softplus(-1 - 0)) / 2  # the smaller of both
    spread = 2 * 0.5 / 4  # |2 - 0| clipped at .5, twice among four ordered pairs
    made = loss("s2srank", negative="easiest", set_weight=set_weight)
    expected = first + second + set_weight * softplus(second - spread)
    assert float(made(towers([[2, 1, 0, -1]]), batch([[1, 0, 1, 0]]))) == pytest.approx(expected, abs=1e-12)


def test_s2srank_with_the_hardest_negative() -> None:
    """The two positives and two negatives of a check against the authors' code, here with means over positives."""
    of_negative = [(softplus(k - 1) + softplus(k - 0.2)) / 2 for k in (0.5, -0.5)]
    assert 2 * sum(of_negative) == pytest.approx(1.9330316, abs=1e-7)  # of the authors' code
    assert 2 * of_negative[0] == pytest.approx(1.3284322, abs=1e-7)
    spread = 2 * 0.5 / 4  # |1 - .2| clipped at .5, twice among four ordered pairs
    value = loss("s2srank", SINGLE)(towers([[1, 0.2, 0.5, -0.5]]), batch([[1, 1, 0, 0]]))
    assert float(value) == pytest.approx(sum(of_negative) + softplus(of_negative[0] - spread), abs=1e-12)
