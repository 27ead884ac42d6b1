"""EASE against ridge regressions, and values worked out elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.baselines import ease
from recbench.baselines.base import Size
from recbench.baselines.ease import EASE
from tests.baselines.dense import EXAMPLE, Matrix, all_scores, matrices, positives


@settings(deadline=None, max_examples=40)
@given(matrices(), st.sampled_from([0.5, 2.0, 50.0]))
def test_each_item_is_a_ridge_regression_on_the_others(had: Matrix, l2: float) -> None:
    items = had.shape[1]
    wanted = np.zeros_like(had)
    for item in range(items):
        others = [other for other in range(items) if other != item]
        rest = had[:, others]
        solved = np.linalg.solve(rest.T @ rest + l2 * np.eye(items - 1), rest.T @ had[:, item])
        wanted[:, item] = rest @ solved
    assert all_scores(EASE(l2=l2), positives(had), items) == pytest.approx(wanted, abs=1e-4)


def test_five_users() -> None:
    scores = all_scores(EASE(l2=2.0), positives(EXAMPLE), 4)
    assert scores[0] == pytest.approx([0.26923077, 0.21649485, 0.50515464, 0.20588235], abs=1e-6)


def test_new_users_are_scored_from_what_is_given() -> None:
    train = np.vstack([EXAMPLE, np.zeros(4)])
    known = np.vstack([EXAMPLE, [0, 0, 1, 0]])
    scores = all_scores(EASE(l2=2.0), positives(train), 4, positives(known))
    assert scores[5] == pytest.approx([0.26923077, 0.28865979, 0, 0.11764706], abs=1e-6)


def test_the_most_frequent_items_alone() -> None:
    had = (np.random.default_rng(0).random((60, 8)) < np.linspace(0.1, 0.8, 8)).astype(float)
    scores = all_scores(EASE(l2=5.0, items=3), positives(had), 8)
    assert scores[:, 5:] == pytest.approx(all_scores(EASE(l2=5.0), positives(had[:, 5:]), 3), abs=1e-5)
    assert scores[:, :5] == pytest.approx(np.repeat(scores[:, 5:].min(1, keepdims=True) - 1, 5, axis=1))


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1025, 2500])
def test_inverse_by_halves(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if size < 100:
        monkeypatch.setattr(ease, "_LEAF", 1)
    factor = torch.randn(size, size // 2 + 1, generator=torch.Generator().manual_seed(0))
    matrix = factor @ factor.T + 20 * torch.eye(size)
    inverse = matrix.clone()
    ease.invert(inverse)
    assert torch.allclose(inverse @ matrix, torch.eye(size), atol=2e-4)
    assert torch.allclose(inverse, inverse.T, atol=1e-5)


def test_memory() -> None:
    gowalla = Size(29858, 40981, 810128, 62543826)
    assert EASE().memory(gowalla) == pytest.approx(1.5 * 6.72e9, rel=0.02)
    assert EASE(items=20000).memory(gowalla) == pytest.approx(2.45e9, rel=0.02)
