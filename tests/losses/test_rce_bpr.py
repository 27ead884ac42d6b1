"""Reweighted BPR in closed form."""

from __future__ import annotations

import pytest

from tests.losses.by_hand import batch, loss, sigmoid, softplus, towers
from tests.losses.denoising_slates import MARGINS, pairs


def test_rce_bpr() -> None:
    value = loss("rce-bpr")(towers(pairs(MARGINS)), batch([[1, 0]] * 4))
    expected = sum(sigmoid(margin) ** 0.2 * softplus(-margin) for margin in MARGINS) / 4
    assert float(value) == pytest.approx(expected, abs=1e-12)
