"""GNOLR with a listwise term, in closed form."""

from __future__ import annotations

from math import log

import pytest

from recbench.data.dataset import Info
from tests.losses.by_hand import batch, loss, sigmoid, softplus, towers

LISTS = [[[0.8], [0.3]], [[-0.2], [-0.6]]]
OF_LISTS = [[[1.0], [1.0]], [[0.0], [0.0]]]
ODDS = Info(10, 10, rates=(0.29242834 / 1.29242834,))


def listwise(**settings: object) -> float:
    made = loss("gnolr-l", ODDS, **settings)
    pointwise = loss("gnolr-l", ODDS, list_weight=0.0)
    inner = towers(LISTS).affine(1.5, 0.0)
    return float(made(inner, batch(OF_LISTS)) - pointwise(inner, batch(OF_LISTS)))


def test_listwise_term_of_gnolr() -> None:
    gap = 1.5 * (0.8 - 0.3)  # of the scaled logits of the two positives, each other's rivals
    total = softplus(gap) + softplus(-gap)
    assert listwise(per="rows") == pytest.approx(total / 4, abs=1e-12)
    assert listwise() == pytest.approx(total / 2, abs=1e-12)
    assert listwise(list_weight=0.25) == pytest.approx(total / 2 / 4, abs=1e-12)
    assert listwise(rivals="negatives") == 0.0  # no list has both classes


def test_listwise_term_against_negatives_leaves_the_other_positives_out() -> None:
    inner, label = towers([[[0.8], [0.3], [-0.2]]]).affine(1.5, 0.0), batch([[[1.0], [1.0], [0.0]]])
    value = loss("gnolr-l", ODDS, rivals="negatives")(inner, label)
    pointwise = loss("gnolr-l", ODDS, list_weight=0.0)(inner, label)
    expected = -log(sigmoid(1.5 * (0.8 + 0.2))) - log(sigmoid(1.5 * (0.3 + 0.2)))
    assert float(value - pointwise) == pytest.approx(expected, abs=1e-12)
