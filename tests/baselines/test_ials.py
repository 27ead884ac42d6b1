"""iALS with frequency-scaled regularisation against its objective, and values worked out elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from recbench.backbones.building_blocks.least_squares import solve_rows
from recbench.baselines.ials import IALS
from recbench.data.dataset import Positives
from recbench.evaluation.predictions import InnerProductScores
from tests.baselines.dense import EXAMPLE, Matrix, dense, positives

RANDOM = (np.random.default_rng(0).random((30, 12)) < 0.25).astype(float)


def objective(model: IALS, had: Matrix, user: Matrix, item: Matrix) -> float:
    """Rendle et al., 2022, equation 1, in units of the weight of a pair that is no positive."""
    weight = np.where(had > 0, model.alpha, 1.0)
    squares = 0.0
    for rows, factors in ((weight, user), (weight.T, item)):
        total = rows.sum(1)
        squares += float((model.l2 * (total / total.mean()) ** model.frequency * (factors**2).sum(1)).sum())
    return float((weight * (had - user @ item.T) ** 2).sum() + squares)


@pytest.mark.parametrize("frequency", [0.5, 1.0])
def test_it_minimises_its_objective(frequency: float) -> None:
    values = []
    for iterations in (1, 2, 4, 8, 60):
        model = IALS(factors=4, l2=1.0, alpha=5.0, iterations=iterations, frequency=frequency)
        scores = model.fit(positives(RANDOM), 12, 0).scores(positives(RANDOM))
        assert isinstance(scores, InnerProductScores)
        user, item = scores.user.double().numpy(), scores.item.double().numpy()
        values.append(objective(model, RANDOM, user, item))
    assert (np.diff(values) < 0).all()
    generator = np.random.default_rng(1)
    for _ in range(20):  # a minimum: no small step leads below
        step = 1e-2 * generator.standard_normal(user.shape), 1e-2 * generator.standard_normal(item.shape)
        assert objective(model, RANDOM, user + step[0], item + step[1]) > values[-1]


def test_a_row_of_five_users() -> None:
    # alpha0 = 0.1, lambda = 0.01, nu = 1: all weights divided by alpha0, and targets of 1 instead of 1 / (1 + alpha0)
    alpha0, penalty, items = 0.1, 0.01, 4
    item = torch.tensor([[0.4, 0.1], [0.2, 0.5], [0.3, 0.2], [0.1, 0.3]])
    train = positives(EXAMPLE)
    l2 = penalty * (train.start.diff() + alpha0 * items) / alpha0
    solved = solve_rows(train, item, torch.zeros(5, 2), 1 + 1 / alpha0, l2, steps=4)
    assert (solved[0] / (1 + alpha0)).tolist() == pytest.approx([1.73057163, 0.98426261], rel=1e-4)


def test_the_regularisation_grows_with_the_frequency() -> None:
    model = IALS(l2=7.0, alpha=11.0, frequency=1.0)
    weight = dense(positives(RANDOM), 12).sum(1) * 10 + 12
    assert model.regularisation(positives(RANDOM), 12).numpy() == pytest.approx(7 * weight / weight.mean(), rel=1e-5)


def test_new_users_are_folded_in_and_others_stay() -> None:
    train, known = np.vstack([RANDOM, np.zeros(12)]), np.vstack([RANDOM, RANDOM[3]])
    model = IALS(factors=4, l2=2.0, alpha=5.0, iterations=60)
    fitted = model.fit(positives(train), 12, 0)
    before, after = fitted.scores(positives(train)), fitted.scores(positives(known))
    assert isinstance(before, InnerProductScores) and isinstance(after, InnerProductScores)
    assert torch.equal(before.user[:30], after.user[:30]) and not before.user[30].any()
    assert after.user[30].numpy() == pytest.approx(after.user[3].numpy(), abs=1e-3)


def test_rows_of_all_lengths_are_solved_alike() -> None:
    generator = torch.Generator().manual_seed(0)
    had = (torch.rand(200, 400, generator=generator) < torch.linspace(0, 1, 200)[:, None] ** 3).double().numpy()
    item = torch.randn(400, 8, generator=generator)
    solved = solve_rows(positives(had), item, torch.zeros(200, 8), 3.0, torch.full((200,), 4.0), steps=40)
    for row in (1, 60, 130, 199):
        weight = np.where(had[row] > 0, 3.0, 1.0)
        vectors = item.double().numpy()
        wanted = np.linalg.solve((vectors.T * weight) @ vectors + 4 * np.eye(8), vectors.T @ (weight * had[row]))
        assert solved[row].numpy() == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("frequency", [0.0, 1.0])
def test_pairs_of_weight_three_are_those_of_a_larger_alpha(frequency: float) -> None:
    def factors(alpha: float, weight: float | None) -> list[Matrix]:
        train = positives(RANDOM)
        train = train if weight is None else replace(train, weight=torch.full((len(train.item),), weight))
        scores = IALS(factors=4, l2=1.0, alpha=alpha, iterations=5, frequency=frequency).fit(train, 12, 0).scores(train)
        assert isinstance(scores, InnerProductScores)
        return [scores.user.numpy(), scores.item.numpy()]

    for weighted, plain in (((5.0, 1.0), (5.0, None)), ((5.0, 3.0), (13.0, None))):  # 1 + (5 - 1) 3 = 13
        for found, expected in zip(factors(*weighted), factors(*plain), strict=True):
            assert found == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_one_row_with_weights_by_the_normal_equations() -> None:
    item, weight = torch.tensor([[0.4, 0.1], [0.2, 0.5], [0.3, 0.2], [0.1, 0.3]]), torch.tensor([2.0, 0.5])
    train = Positives(torch.tensor([0, 2]), torch.tensor([0, 3]), weight)
    (solved,) = solve_rows(train, item, torch.zeros(1, 2), 5.0, torch.tensor([0.3]), steps=8)
    y = item.double().numpy()
    confidence = np.diag([1 + 4 * 2.0, 1.0, 1.0, 1 + 4 * 0.5])
    expected = np.linalg.solve(y.T @ confidence @ y + 0.3 * np.eye(2), y.T @ confidence @ np.array([1.0, 0, 0, 1.0]))
    assert solved.tolist() == pytest.approx(expected.tolist(), rel=1e-4)
