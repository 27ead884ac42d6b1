"""Dynamic weight average: by the formula, and its identities."""

from __future__ import annotations

from math import exp

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.losses.balance import Points
from recbench.losses.balance.dwa import DynamicWeightAverage
from tests.losses.balance.task_terms import THREE, TWO

NOWHERE = Points([], [])


def epoch(balance: DynamicWeightAverage, number: int, steps: list[list[float]]) -> list[float]:
    """Train an epoch whose steps have these terms; return the weights in it."""
    balance.start_epoch(number)
    for terms in steps:
        balance(torch.tensor(terms), NOWHERE)
    return balance.weight.tolist()


def test_weights_by_the_formula() -> None:
    balance = DynamicWeightAverage(TWO)
    assert epoch(balance, 1, [[1.0, 0.5], [0.6, 0.7]]) == [1, 1]  # means 0.8 and 0.6
    assert epoch(balance, 2, [[0.4, 0.6], [0.4, 0.6]]) == [1, 1]  # 0.4 and 0.6
    shares = [exp(0.5 / 2), exp(1.0 / 2)]
    assert epoch(balance, 3, [[0.4, 0.3]]) == pytest.approx([2 * share / sum(shares) for share in shares])
    shares = [exp(1.0 / 2), exp(0.5 / 2)]
    assert epoch(balance, 4, [[0.4, 0.3]]) == pytest.approx([2 * share / sum(shares) for share in shares])
    assert float(balance(torch.tensor([1.0, 2.0]), NOWHERE)) == pytest.approx(
        sum(w * term for w, term in zip(balance.weight.tolist(), (1.0, 2.0), strict=True))
    )


positive = st.floats(0.01, 10)


@given(st.lists(st.tuples(positive, positive, positive), min_size=3, max_size=5), st.floats(0.1, 10))
def test_weights_add_up_to_the_number_of_terms(means: list[tuple[float, ...]], temperature: float) -> None:
    balance = DynamicWeightAverage(THREE, temperature=temperature)
    for number, terms in enumerate(means, 1):
        assert sum(epoch(balance, number, [list(terms)])) == pytest.approx(3, abs=1e-4)


def test_terms_that_fall_alike_weigh_alike_and_slower_ones_more() -> None:
    balance = DynamicWeightAverage(THREE)
    epoch(balance, 1, [[1.0, 0.1, 5.0]])
    epoch(balance, 2, [[0.5, 0.05, 5.0]])
    weights = epoch(balance, 3, [[0.5, 0.05, 5.0]])
    assert weights[0] == pytest.approx(weights[1])
    assert weights[2] > weights[0]
