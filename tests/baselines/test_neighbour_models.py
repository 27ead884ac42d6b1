"""item-knn, user-knn and rp3beta against their definitions written out on dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recbench.baselines.item_knn import ItemKNN
from recbench.baselines.rp3beta import RP3Beta
from recbench.baselines.slim import SLIM
from recbench.baselines.user_knn import UserKNN
from tests.baselines.dense import EXAMPLE, Matrix, all_scores, inverse, matrices, positives, top_of_rows

EXPONENTS = st.sampled_from([0.0, 0.3, 0.5, 1.0, 1.3])


def similarities(had: Matrix, user: float, item: float, shrink: float) -> Matrix:
    count = had.sum(1, keepdims=True)
    weight = np.where(count > 0, np.maximum(count, 1) ** -user, 0)
    together = had.T @ (weight * had)
    scale = (had.sum(0) + shrink) ** item
    found = together * inverse(np.outer(scale, scale))
    np.fill_diagonal(found, 0)
    return found


@settings(deadline=None, max_examples=60)
@given(matrices(), st.integers(1, 8), EXPONENTS, EXPONENTS, st.booleans(), st.sampled_from([0.0, 2.0]))
def test_item_knn(had: Matrix, k: int, user: float, item: float, normalise: bool, shrink: float) -> None:
    kept = top_of_rows(similarities(had, user, item, shrink), k)
    assume(kept is not None)
    if normalise:
        kept = kept * inverse(kept.sum(1, keepdims=True))
    model = ItemKNN(k=k, user_exponent=user, item_exponent=item, normalise=normalise, shrink=shrink)
    assert all_scores(model, positives(had), had.shape[1]) == pytest.approx(had @ kept, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(matrices(), st.integers(1, 8), EXPONENTS, EXPONENTS, st.sampled_from([0.0, 2.0]))
def test_user_knn(had: Matrix, k: int, user: float, item: float, shrink: float) -> None:
    kept = top_of_rows(similarities(had.T, item, user, shrink), k)
    assume(kept is not None)
    model = UserKNN(k=k, user_exponent=user, item_exponent=item, shrink=shrink)
    assert all_scores(model, positives(had), had.shape[1]) == pytest.approx(kept @ had, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(matrices(), st.integers(1, 8), EXPONENTS, EXPONENTS, st.sampled_from([0.0, 2.0]), st.integers(1, 3))
def test_user_knn_of_new_users(had: Matrix, k: int, user: float, item: float, shrink: float, new: int) -> None:
    """The last users have no training rows: they have neighbours by what is known of them, and are nobody's."""
    new = min(new, len(had) - 1)
    train = had.copy()
    train[-new:] = 0
    count = train.sum(0)
    weight = np.where(count > 0, np.maximum(count, 1) ** -item, 0)
    scale = (had.sum(1) + shrink) ** user
    similarity = (had * weight) @ train.T * inverse(np.outer(scale, (train.sum(1) + shrink) ** user))
    np.fill_diagonal(similarity, 0)
    kept = top_of_rows(similarity, k)
    assume(kept is not None)
    model = UserKNN(k=k, user_exponent=user, item_exponent=item, shrink=shrink)
    scores = all_scores(model, positives(train), had.shape[1], positives(had))
    assert scores == pytest.approx(kept @ train, abs=1e-9)


def walks(had: Matrix, alpha: float, beta: float) -> Matrix:
    first = (had.T * inverse(had.sum(0))[:, None]) ** alpha * (had.T > 0)
    second = (had * inverse(had.sum(1))[:, None]) ** alpha * (had > 0)
    found = first @ second * np.where(had.sum(0) > 0, np.maximum(had.sum(0), 1) ** -beta, 0)
    np.fill_diagonal(found, 0)
    return found


@settings(deadline=None, max_examples=60)
@given(matrices(), st.integers(1, 8), EXPONENTS, EXPONENTS, st.booleans())
def test_rp3beta(had: Matrix, k: int, alpha: float, beta: float, normalise: bool) -> None:
    kept = top_of_rows(walks(had, alpha, beta), k)
    assume(kept is not None)
    if normalise:
        kept = kept * inverse(kept.sum(1, keepdims=True))
    model = RP3Beta(k=k, alpha=alpha, beta=beta, normalise=normalise)
    assert all_scores(model, positives(had), had.shape[1]) == pytest.approx(had @ kept, abs=1e-6)


def test_rp3beta_of_five_users() -> None:
    scores = all_scores(RP3Beta(alpha=1.2, beta=0.6), positives(EXAMPLE), 4)
    assert scores[0] == pytest.approx([0.40291701, 0.35844036, 0.72302394, 0.51561869])
    raw = all_scores(RP3Beta(alpha=1.2, beta=0.6, normalise=False), positives(np.eye(4)), 4, positives(np.eye(4)))
    assert not raw.any()  # nobody has had two items


def test_with_normalised_rows_rp3beta_is_item_knn() -> None:
    had = (np.random.default_rng(0).random((40, 12)) < 0.3).astype(float)
    walk = RP3Beta(k=5, alpha=0.7, beta=0.35)
    neighbours = ItemKNN(k=5, user_exponent=0.7, item_exponent=0.35)
    assert all_scores(walk, positives(had), 12) == pytest.approx(all_scores(neighbours, positives(had), 12))


def test_neighbours_above_the_item_itself_do_not_add_one() -> None:
    had = np.zeros((40, 6))
    had[:, 0] = 1  # popular, so that its own similarity is the least
    for item in range(1, 6):
        had[: 2 * item, item] = 1
    model = ItemKNN(k=2, user_exponent=0.0, item_exponent=1.0, normalise=False)
    known = positives(np.eye(40, 6))
    assert (all_scores(model, positives(had), 6, known)[0] > 0).sum() == 2


@pytest.mark.parametrize("model", [ItemKNN, UserKNN, RP3Beta, SLIM], ids=lambda kind: str(kind.name))
def test_more_neighbours_than_there_are(model: type[ItemKNN | UserKNN | RP3Beta | SLIM]) -> None:
    """They take no room, as `memory` says."""
    train = positives(EXAMPLE)
    assert np.array_equal(all_scores(model(k=10**12), train, 4), all_scores(model(k=5), train, 4))
