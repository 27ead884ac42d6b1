"""SLIM against scikit-learn's elastic net."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet

from recbench.baselines.slim import SLIM, elastic_net
from tests.baselines.dense import Matrix, all_scores, matrices, positives


def reference(had: Matrix, l1: float, l2: float) -> Matrix:
    """Return the weights [items, items]; scikit-learn divides the squared errors by the number of users."""
    users, items = had.shape
    weights = np.zeros((items, items))
    for item in range(items):
        rest = had.copy()
        rest[:, item] = 0
        model = ElasticNet(
            alpha=(l1 + l2) / users,
            l1_ratio=l1 / (l1 + l2),
            fit_intercept=False,
            positive=True,
            max_iter=10000,
            tol=1e-10,
        )
        weights[:, item] = model.fit(rest, had[:, item]).coef_
    return weights


@settings(deadline=None, max_examples=40)
@given(matrices(), st.sampled_from([0.1, 0.5]), st.sampled_from([0.5, 3.0]))
def test_it_is_an_elastic_net_of_each_item(had: Matrix, l1: float, l2: float) -> None:
    wanted = had @ reference(had, l1, l2)
    assert all_scores(SLIM(l1=l1, l2=l2, k=50), positives(had), had.shape[1]) == pytest.approx(wanted, abs=2e-3)


def test_weights_are_sparse_and_not_below_0() -> None:
    had = (np.random.default_rng(0).random((50, 12)) < 0.4).astype(float)
    fitted = SLIM(l1=5.0, l2=1.0).fit(positives(had), 12, 0)
    assert 0 < fitted.parameters < 12 * 11 and fitted.weight.data.min() > 0  # type: ignore[attr-defined]


def test_only_similar_items_enter() -> None:
    had = (np.random.default_rng(1).random((80, 10)) < 0.4).astype(float)
    fitted = SLIM(k=3, l1=0.0, l2=1.0).fit(positives(had), 10, 0)
    assert np.diff(fitted.weight.tocsc().indptr).max() <= 3  # type: ignore[attr-defined]


def test_the_minimum_of_one_weight() -> None:
    weight = elastic_net(torch.tensor([[[4.0]], [[4.0]]]), torch.tensor([[3.0], [0.5]]), l1=1.0, l2=2.0)
    assert weight[:, 0].tolist() == pytest.approx([(3 - 1) / (4 + 2), 0.0])
