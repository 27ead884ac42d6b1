"""Reweighted cross-entropy in closed form."""

from __future__ import annotations

import pytest

from tests.losses.by_hand import batch, loss, rows, sigmoid, softplus, towers
from tests.losses.denoising_slates import LABELS, LOGITS


def test_rce() -> None:
    """The probabilities of the labels are sigmoid(2), sigmoid(-1), sigmoid(-.5) and sigmoid(2)."""
    expected = sum(sigmoid(x) ** 0.2 * softplus(-x) for x in (2, -1, -0.5, 2)) / 4
    assert float(loss("rce")(towers(rows(LOGITS)), batch(rows(LABELS)))) == pytest.approx(expected, abs=1e-12)


def test_rce_may_leave_negatives_at_one() -> None:
    positives = sum(sigmoid(x) ** 0.2 * softplus(-x) for x in (2, -1))
    value = loss("rce", reweigh="positives")(towers(rows(LOGITS)), batch(rows(LABELS)))
    assert float(value) == pytest.approx((positives + softplus(0.5) + softplus(-2)) / 4, abs=1e-12)
