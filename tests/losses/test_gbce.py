"""Generalised binary cross-entropy by hand."""

from __future__ import annotations

import math

import pytest

from recbench.data.dataset import Info
from recbench.losses.base import LOSSES, create, resolve
from recbench.losses.gbce import GBCE
from recbench.samplers import Triplets
from tests.losses.by_hand import batch, softplus, towers

POSITIVE, NEGATIVES = 0.7, [0.2, -0.5, 1.0, 0.0]
SLATE = towers([[POSITIVE, *NEGATIVES]])
LABELS = [[1, 0, 0, 0, 0]]


def gbce(items: int = 1001, **words: str) -> GBCE:
    made = create(LOSSES.get("gbce"), Info(10, items, (0.1,)), resolve(LOSSES.get("gbce"), words))
    assert isinstance(made, GBCE)
    return made


def test_four_of_a_thousand_negatives() -> None:
    """The formula in its other form: binary cross-entropy of the logit log(1 / (sigmoid(s)^-beta - 1))."""
    assert float(gbce()(SLATE, batch(LABELS))) == pytest.approx(0.6761261584015775, rel=1e-6)
    logit = math.log(1 / ((1 + math.exp(-POSITIVE)) ** 0.253 - 1))
    assert logit == pytest.approx(2.2312864048602656)
    expected = (softplus(-logit) + sum(softplus(s) for s in NEGATIVES)) / 5
    assert float(gbce()(SLATE, batch(LABELS))) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("words", "power"), [({"calibration": "0"}, 1.0), ({"calibration": "1"}, 0.004)])
def test_the_ends_of_calibration(words: dict[str, str], power: float) -> None:
    expected = (power * softplus(-POSITIVE) + sum(softplus(s) for s in NEGATIVES)) / 5
    assert float(gbce(**words)(SLATE, batch(LABELS))) == pytest.approx(expected, rel=1e-6)


def test_all_negatives_drawn_is_binary_cross_entropy() -> None:
    expected = (softplus(-POSITIVE) + sum(softplus(s) for s in NEGATIVES)) / 5
    assert float(gbce(items=5)(SLATE, batch(LABELS))) == pytest.approx(expected, rel=1e-6)
    assert float(gbce(items=3)(SLATE, batch(LABELS))) == pytest.approx(expected, rel=1e-6)  # drawn more than once


def test_masked_negatives_do_not_count() -> None:
    masked = batch(LABELS, [[True, True, True, False, False]])
    power = 1 - 0.75 * (1 - 2 / 1000)
    expected = (power * softplus(-POSITIVE) + softplus(0.2) + softplus(-0.5)) / 3
    assert float(gbce()(SLATE, masked)) == pytest.approx(expected, rel=1e-6)


def test_its_slates() -> None:
    assert gbce(negatives="7").sampler == Triplets(7)
