"""Truncated cross-entropy: what it leaves out, and when."""

from __future__ import annotations

import pytest

from tests.losses.by_hand import batch, rows, softplus, towers
from tests.losses.denoising_slates import LABELS, LOGITS, truncated


def test_tce_leaves_out_the_positive_with_the_largest_loss() -> None:
    value = truncated("tce", drop=0.25)(towers(rows(LOGITS)), batch(rows(LABELS)))
    assert float(value) == pytest.approx((softplus(-2) + softplus(0.5) + softplus(-2)) / 3, abs=1e-12)


def test_tce_may_count_the_share_of_positives_alone() -> None:
    slates = towers(rows(LOGITS)), batch(rows(LABELS))
    both_gone = (softplus(0.5) + softplus(-2)) / 2
    assert float(truncated("tce", drop=0.5)(*slates)) == pytest.approx(both_gone, abs=1e-12)
    value = truncated("tce", drop=0.5, share_of="positives")(*slates)
    assert float(value) == pytest.approx((softplus(-2) + softplus(0.5) + softplus(-2)) / 3, abs=1e-12)


def test_tce_never_leaves_out_a_negative() -> None:
    value = truncated("tce", drop=0.9)(towers(rows(LOGITS)), batch(rows(LABELS)))
    assert float(value) == pytest.approx((softplus(0.5) + softplus(-2)) / 2, abs=1e-12)
