"""CORAL: a published value, its likeness to other losses, and its biases."""

from __future__ import annotations

from math import log

import pytest
import torch

from recbench.data.dataset import Info
from tests.losses.by_hand import SINGLE, THREE, TWO, batch, loss, rows, sigmoid, softplus, towers


def test_value_of_the_formula() -> None:
    """Three rows whose logits z_c = logit + b_c and levels are given, each with biases of its own."""
    logits, levels, values = [[1.0, -0.5], [0.2, -1.0], [-0.3, -0.6]], [2, 1, 0], []
    for (first, second), level in zip(logits, levels, strict=True):
        coral = loss("coral", TWO, scale=1.0)
        with torch.no_grad():
            coral.rank_bias.copy_(torch.tensor([0.0, second - first]))  # type: ignore[operator]
        values.append(coral(towers([[[first]]]), batch([[[float(level > 0), float(level > 1)]]])).item())
    assert sum(values) / 3 == pytest.approx(1.063527474517519, abs=1e-7)


def test_biases_start_evenly_or_at_zero() -> None:
    assert loss("coral", THREE).thresholds().tolist() == pytest.approx([-1, -2 / 3, -1 / 3])  # type: ignore[operator]
    assert loss("coral", THREE, start="zero").thresholds().tolist() == [0, 0, 0]  # type: ignore[operator]


def test_with_one_feedback_it_is_bce() -> None:
    labels, cosine = batch(rows([1.0, 0.0, 0.0])), towers(rows([0.4, 0.1, -0.7]))
    coral, bce = loss("coral", SINGLE, start="zero"), loss("bce", SINGLE)
    assert coral(cosine, labels).item() == pytest.approx(bce(cosine, labels).item(), abs=1e-12)


def test_thresholds_of_the_rates_are_those_of_ordinal_regression() -> None:
    info = Info(10, 10, rates=(0.3, 0.05), feedback=("like", "follow"))
    coral, olr = loss("coral", info, thresholds="rates"), loss("neural-olr", info)
    logit = torch.randn(4, 2, 1, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(coral.score(logit), olr.score(logit))
    labels = [[[1.0, 0.0]]]
    z = [0.6 - log((1 - rate) / rate) for rate in (0.3, 0.05)]
    value = coral(towers([[[0.3]]]).affine(2.0, 0.0), batch(labels)).item()
    assert value == pytest.approx(softplus(-z[0]) + softplus(z[1]), abs=1e-6)
    assert olr(towers([[[0.3]]]).affine(2.0, 0.0), batch(labels)).item() == pytest.approx(
        -log(sigmoid(z[0]) - sigmoid(z[1])), abs=1e-6
    )


def test_learned_biases_reach_the_rates() -> None:
    """Without anything to tell rows apart, P(level >= c) is the share of rows at level c or above."""
    coral = loss("coral", TWO)
    labels = batch([[[1.0, 1.0]], [[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]]])
    optimizer = torch.optim.Adam(coral.parameters(), lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        coral(towers(torch.zeros(5, 1, 1).double()), labels).backward()
        optimizer.step()
    assert (-coral.thresholds()).sigmoid().tolist() == pytest.approx([0.6, 0.2], abs=1e-3)  # type: ignore[operator]
