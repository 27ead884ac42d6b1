"""ESCM2 with inverse propensities, by loops over its formula."""

from __future__ import annotations

import pytest

from tests.losses.by_hand import TWO, batch, loss, sigmoid, softplus
from tests.losses.multitask_rows import CLICK_PAY, LOGITS, entropy, four_rows, slow_escm2_ips, two_towers


def test_escm2_ips() -> None:
    """The mean over four rows of the sum of its terms, by a loop over the formulas."""
    value = loss("escm2-ips", TWO)(two_towers("escm2-ips"), batch(CLICK_PAY))
    expected = sum(slow_escm2_ips(row, [1.0, 1.0]) for row in four_rows("escm2-ips")) / 4
    assert float(value) == pytest.approx(expected, abs=1e-12)


def test_escm2_ips_without_its_terms() -> None:
    """What is left is the cross-entropy of the click, or of the click and of click and pay."""
    click = softplus(-1.0) + softplus(-0.2) + softplus(-0.8) + softplus(-1.2)
    pay = sum(
        entropy(sigmoid(a) * sigmoid(b), label[0][1], 1.0)
        for ((a, b, _),), label in zip(LOGITS, CLICK_PAY, strict=True)
    )
    for entire, expected in ((0.0, click / 4), (1.0, (click + pay) / 4)):
        made = loss("escm2-ips", TWO, counterfactual=0.0, entire=entire)
        assert float(made(two_towers("escm2-ips"), batch(CLICK_PAY))) == pytest.approx(expected, abs=1e-12)
