"""Metrics of anybody's scores, against scikit-learn, plain loops, and what the same rows give as a dataset."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, ndcg_score, roc_auc_score

import recbench as rb
from recbench.errors import UsageError


def scores_and_relevance(seed: int, users: int = 40, items: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    relevant, seen = random.random((users, items)) < 0.1, random.random((users, items)) < 0.2
    return random.random((users, items)), relevant & ~seen, seen


@given(st.integers(0, 1000), st.integers(1, 40))
def test_the_first_k_against_a_loop(seed: int, k: int) -> None:
    scores, relevant, seen = scores_and_relevance(seed)
    recall, precision, hit, first = [], [], [], []
    for of_user, wanted, known in zip(scores, relevant, seen, strict=True):
        if wanted.any():
            ranked = [item for item in np.argsort(-of_user) if not known[item]][:k]
            hits = [bool(wanted[item]) for item in ranked]
            recall.append(sum(hits) / wanted.sum())
            precision.append(sum(hits) / k)
            hit.append(any(hits))
            first.append(1 / (hits.index(True) + 1) if any(hits) else 0)
    for found, expected in (
        (rb.metrics.recall(scores, relevant, k, seen=seen), recall),
        (rb.metrics.precision(scores, relevant, k, seen=seen), precision),
        (rb.metrics.hit_rate(scores, relevant, k, seen=seen), hit),
        (rb.metrics.mrr(scores, relevant, k, seen=seen), first),
    ):
        assert found == pytest.approx(np.mean(expected))


def test_against_scikit_learn() -> None:
    scores, relevant, _ = scores_and_relevance(1)
    some = relevant.any(1)
    labels, flat, users = relevant.ravel(), scores.ravel(), np.repeat(np.arange(40), 30)
    assert rb.metrics.ndcg(scores, relevant, 10) == pytest.approx(ndcg_score(relevant[some], scores[some], k=10))
    assert rb.metrics.auc(flat, labels) == pytest.approx(roc_auc_score(labels, flat))
    assert rb.metrics.log_loss(flat, labels) == pytest.approx(log_loss(labels, flat))
    by_user = [roc_auc_score(relevant[u], scores[u]) for u in range(40) if some[u]]
    assert rb.metrics.gauc(flat, labels, users) == pytest.approx(np.mean(by_user))


def test_average_precision_of_one_list() -> None:
    assert rb.metrics.average_precision([[3.0, 2.0, 1.0]], [[1, 0, 1]], 3) == pytest.approx((1 + 2 / 3) / 2)


def test_numbers_of_any_library_are_the_same() -> None:
    scores, relevant, _ = scores_and_relevance(2)
    flat, labels = scores.ravel(), relevant.ravel()
    expected = rb.metrics.auc(flat, labels)
    assert rb.metrics.auc(torch.tensor(flat), torch.tensor(labels)) == expected
    assert rb.metrics.auc(pl.Series(flat), pl.Series(labels)) == expected
    assert rb.metrics.auc(flat.tolist(), [int(label) for label in labels]) == expected
    names = [f"user {number}" for number in np.repeat(np.arange(40), 30)]
    numbers = np.repeat(np.arange(40), 30)
    assert rb.metrics.gauc(flat, labels, names) == rb.metrics.gauc(flat, labels, torch.tensor(numbers))


def test_each_users_own_rows_are_ranked() -> None:
    scores, labels, users = [0.9, 0.8, 0.7, 0.2], [0, 1, 1, 0], ["a", "a", "b", "b"]
    value = rb.metrics.of_rows("mrr@5", scores, labels, users)
    assert value.value == pytest.approx((1 / 2 + 1) / 2) and value.count == 2
    assert "candidates=rows of the user" in value.signature


def test_a_dialect_of_another_library() -> None:
    scores, relevant, _ = scores_and_relevance(3)
    flat, labels, users = scores.ravel(), relevant.ravel(), np.repeat(np.arange(40), 30)
    assert "dialect=RecBole" in rb.metrics.top_k("recall@5", scores, relevant, dialect="recbole").signature
    value = rb.metrics.of_rows("gauc", flat, labels, users, dialect="gnolr")
    assert "dialect=" in value.signature and math.isfinite(value.value)


def test_nobody_has_a_relevant_item() -> None:
    assert math.isnan(rb.metrics.recall([[1.0, 2.0]], [[0, 0]]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rb.metrics.recall([[1.0]], [[1, 0]]), "expected one shape [users, items]"),
        (lambda: rb.metrics.auc([1.0, 2.0], [1]), "expected one shape [R]"),
        (lambda: rb.metrics.auc([1.0, 2.0], [1, 2]), "labels: expected 0 and 1"),
        (lambda: rb.metrics.auc(["a"], [1]), "scores: expected numbers"),
        (lambda: rb.metrics.of_rows("gauc", [1.0], [1]), "give users [R]"),
        (lambda: rb.metrics.of_rows("recall@5", [1.0], [1]), "give users [R]"),
        (lambda: rb.metrics.of_rows("auc", [1.0], [1], [1, 2]), "expected the shape of scores"),
        (lambda: rb.metrics.of_rows("logloss", [0.5], [1]), "needs probabilities"),
        (lambda: rb.metrics.top_k("auc", [[1.0]], [[1]]), "use of_rows"),
        (lambda: rb.metrics.of_rows("coverage@5", [1.0, 2.0], [1, 0], [0, 0], dialect="recbole"), "RecBole"),
    ],
)
def test_what_cannot_be_computed(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(UsageError) as error:
        call()
    assert message in str(error.value)


def test_relevance_that_is_no_zero_or_one_is_refused_rather_than_read_as_relevant() -> None:
    for relevant in ([[3, 5]], [[0.0, math.nan]], [[-1, 1]], [[0.5, 0]]):
        with pytest.raises(UsageError, match="relevant: expected 0 and 1"):
            rb.metrics.recall([[0.2, 0.1]], relevant, 1)
    with pytest.raises(UsageError, match="seen: expected 0 and 1"):
        rb.metrics.recall([[0.2, 0.1]], [[0, 1]], 1, seen=[[2, 0]])


def test_a_score_that_is_not_a_number_is_refused() -> None:
    for call in (
        lambda: rb.metrics.auc([0.1, math.nan, 0.3], [0, 1, 1]),
        lambda: rb.metrics.recall([[0.1, math.nan, 0.3]], [[0, 1, 0]], 1),
    ):
        with pytest.raises(UsageError, match="scores: 1 of 3 are not a number"):
            call()


def test_probabilities_beyond_one_are_refused() -> None:
    for wrong in (1.5, -0.5):
        with pytest.raises(UsageError, match="from 0 to 1"):
            rb.metrics.log_loss([0.5, wrong], [0, 1])


def test_python_numbers_keep_double_precision() -> None:
    assert rb.metrics.auc([1.0, 1.0 + 1e-12], [0, 1]) == 1
    assert rb.metrics.recall([[1.0, 1.0 + 1e-12]], [[0, 1]], 1) == 1


def test_whole_scores_and_scores_of_booleans_are_ranked() -> None:
    for scores in (np.array([[1, 3, 2]]), np.array([[False, True, False]])):
        assert rb.metrics.recall(scores, [[0, 1, 0]], 1) == 1


def test_arrays_that_torch_does_not_take_are_read_all_the_same() -> None:
    scores, relevant = np.array([[0.1, 0.9, 0.5]]), np.array([[0, 1, 1]])
    read_only = scores.copy()
    read_only.setflags(write=False)
    for given_scores, given_relevant in (
        (scores[:, ::-1], relevant[:, ::-1]),
        (scores.astype(">f8"), relevant.astype(">i4")),
        (read_only, relevant),
        (torch.tensor(scores).to_sparse(), torch.tensor(relevant).to_sparse()),
    ):
        assert rb.metrics.recall(given_scores, given_relevant, 1) == 1 / 2
    assert rb.metrics.auc(scores[0, ::-1], relevant[0]) == 0.5


def test_masked_scores_are_refused_as_what_the_mask_means_is_not_known() -> None:
    with pytest.raises(UsageError, match="scores: 1 of 3 are masked; leave them out"):
        rb.metrics.auc(np.ma.array([0.1, 0.9, 0.5], mask=[0, 1, 0]), [0, 1, 1])
    with pytest.raises(UsageError, match="relevant: 2 of 3 are masked; leave them out"):
        rb.metrics.recall([[0.1, 0.9, 0.5]] * 2, [np.array([0, 1, 1]), np.ma.array([0, 1, 1], mask=[1, 0, 1])], 1)
    with pytest.raises(UsageError, match="users: 1 of 2 are masked; leave them out"):
        rb.metrics.gauc([0.1, 0.9], [0, 1], np.ma.array([5, 5], mask=[0, 1]))
    assert rb.metrics.auc(np.ma.array([0.1, 0.9, 0.5]), [0, 1, 1]) == 1


def test_shapes_and_users_that_cannot_be_are_said() -> None:
    with pytest.raises(UsageError, match="at least one item"):
        rb.metrics.recall(np.zeros((2, 0)), np.zeros((2, 0)), 1)
    for users in (5, np.array([[1], [2]])):
        with pytest.raises(UsageError, match="users: expected one value a row"):
            rb.metrics.gauc([1, 2], [0, 1], users)
    with pytest.raises(UsageError, match="real numbers"):
        rb.metrics.auc(np.array([1j, 2]), [0, 1])
