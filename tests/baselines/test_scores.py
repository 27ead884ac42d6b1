"""What each baseline says of pairs, against definitions written out."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recbench.baselines.base import BASELINES, Baseline
from recbench.baselines.ials import IALS
from recbench.baselines.item_knn import ItemKNN
from recbench.baselines.popularity import MostPopular
from recbench.data.dataset import Positives
from recbench.evaluation.exact_search import search_exactly
from recbench.evaluation.first_items import exhaustive
from recbench.evaluation.pairs import contains, restrict
from recbench.evaluation.predictions import InnerProductScores

USERS, ITEMS = 60, 15


def dense(pairs: Positives) -> NDArray[np.float64]:
    had = np.zeros((len(pairs.start) - 1, ITEMS))
    had[pairs.user, pairs.item] = 1
    return had


@pytest.fixture
def train() -> Positives:
    """Users 0 and 1 have had nothing, and nobody item 3."""
    generator = torch.Generator().manual_seed(0)
    user = torch.randint(2, USERS, (400,), generator=generator)
    item = (torch.randn(400, generator=generator) * 3 + user % 7 * 2).round().long().remainder(ITEMS)
    return Positives.from_pairs(user[item != 3], item[item != 3], USERS, ITEMS)


def all_scores(baseline: Baseline, train: Positives, known: Positives | None = None) -> NDArray[np.float64]:
    """Return the scores of all pairs, having seen that rows and catalogue agree on them."""
    scores = baseline.fit(train, ITEMS, 0).scores(train if known is None else known)
    user, item = torch.arange(USERS).repeat_interleave(ITEMS), torch.arange(ITEMS).repeat(USERS)
    shuffled = torch.randperm(USERS * ITEMS, generator=torch.Generator().manual_seed(0))
    rows = torch.empty(USERS * ITEMS, dtype=torch.double)
    rows[shuffled] = scores.rows(user[shuffled].int(), item[shuffled].int()).double()
    block = scores.user @ scores.item.T if isinstance(scores, InnerProductScores) else scores.score(torch.arange(USERS))
    assert torch.allclose(block.double(), rows.view(USERS, ITEMS), atol=1e-6)
    return rows.view(USERS, ITEMS).numpy()


def test_popularity_counts_users(train: Positives) -> None:
    assert (all_scores(MostPopular(), train) == dense(train).sum(0)).all()


@pytest.mark.parametrize("k", [1, 3, ITEMS])
def test_item_knn_adds_up_the_cosines_of_the_neighbours(train: Positives, k: int) -> None:
    had = dense(train)
    length = np.linalg.norm(had, axis=0)
    cosine = (had.T @ had) / np.maximum(np.outer(length, length), 1e-9)
    np.fill_diagonal(cosine, 0)
    kept = np.sort(cosine, axis=1)[:, ::-1]
    assert k == ITEMS or (kept[:, k - 1] > kept[:, k])[length > 0].all()  # no tie decides
    neighbours = np.where(cosine >= kept[:, min(k, ITEMS) - 1, None], cosine, 0)
    assert all_scores(ItemKNN(k=k, user_exponent=0.0, item_exponent=0.5, normalise=False), train) == pytest.approx(
        had @ neighbours, abs=1e-6
    )


def objective(factors: NDArray[np.float64], had: NDArray[np.float64], model: IALS) -> float:
    """Hu, Koren and Volinsky, equation 3; `factors` are those of users and items, one after the other."""
    user, item = factors[:USERS], factors[USERS:]
    weight = np.where(had > 0, model.alpha, 1.0)
    return float((weight * (had - user @ item.T) ** 2).sum() + model.l2 * (factors**2).sum())


def test_ials_minimises_its_objective(train: Positives) -> None:
    values = []
    for iterations in (1, 2, 4, 8, 30):
        model = IALS(factors=4, l2=1.0, alpha=5.0, iterations=iterations, frequency=0.0)
        found = model.fit(train, ITEMS, 0).scores(train)
        assert isinstance(found, InnerProductScores)
        values.append(objective(torch.cat([found.user, found.item]).double().numpy(), dense(train), model))
    assert (np.diff(values) < 0).all()
    item, had = found.item.double().numpy(), dense(train)
    for user in range(USERS):  # at the minimum each user solves its normal equations
        weight = np.where(had[user] > 0, 5.0, 1.0)
        solved = np.linalg.solve((item.T * weight) @ item + np.eye(4), item.T @ (weight * had[user]))
        assert found.user[user].numpy() == pytest.approx(solved, abs=0.02)


def test_ials_folds_new_users_in_and_leaves_the_others(train: Positives) -> None:
    known = Positives.from_pairs(
        torch.cat([train.user, torch.tensor([0, 0])]), torch.cat([train.item, torch.tensor([2, 8])]), USERS, ITEMS
    )
    model = IALS(factors=4, l2=1.0, alpha=5.0, frequency=0.0)
    fitted = model.fit(train, ITEMS, 0)
    before, after = fitted.scores(train), fitted.scores(known)
    assert isinstance(before, InnerProductScores) and isinstance(after, InnerProductScores)
    assert torch.equal(before.user[1:], after.user[1:]) and not before.user[0].any()
    item = after.item.double().numpy()
    weight = np.where(np.isin(np.arange(ITEMS), [2, 8]), 5.0, 1.0)
    solved = np.linalg.solve((item.T * weight) @ item + np.eye(4), item.T @ (weight * (weight > 1)))
    assert after.user[0].numpy() == pytest.approx(solved, abs=1e-4)


def test_ials_depends_on_the_seed_alone(train: Positives) -> None:
    first, again, other = (IALS(factors=4).fit(train, ITEMS, seed).scores(train) for seed in (3, 3, 4))
    assert (
        isinstance(first, InnerProductScores)
        and isinstance(again, InnerProductScores)
        and isinstance(other, InnerProductScores)
    )
    assert torch.equal(first.user, again.user) and not torch.equal(first.user, other.user)


def test_item_knn_knows_what_is_given_of_new_users(train: Positives) -> None:
    known = Positives.from_pairs(torch.tensor([0]), torch.tensor([2]), USERS, ITEMS)
    scores = all_scores(ItemKNN(k=ITEMS), train, known)
    assert scores[0].any() and not scores[1:].any()


@pytest.mark.parametrize("name", BASELINES.names())
def test_what_a_user_has_had_is_not_recommended(train: Positives, name: str) -> None:
    found = BASELINES.get(name)().fit(train, ITEMS, 0).scores(train)
    user = torch.arange(USERS)
    if isinstance(found, InnerProductScores):
        ranking = search_exactly(found.user, found.item, ITEMS, train)
    else:
        ranking = exhaustive(found.score, user, ITEMS, ITEMS, restrict(train, user))
    assert not contains(train, user[:, None], ranking.item, ITEMS).any()
    assert ((ranking.item >= 0).sum(1) == ITEMS - train.start.diff()).all()


@pytest.mark.parametrize("name", BASELINES.names())
def test_nothing_to_fit(name: str) -> None:
    nothing = Positives.from_pairs(torch.zeros(0), torch.zeros(0), USERS, ITEMS)
    scores = all_scores(BASELINES.get(name)(), nothing)
    assert (scores == 0).all()


def test_the_library_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys, recbench.run.train_command, recbench.run.baselines as b; "
        "b.BASELINES.names(); print({'implicit', 'scipy'} & sys.modules.keys())"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
