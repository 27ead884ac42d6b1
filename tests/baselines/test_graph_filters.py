"""GF-CF and BSPM against their definitions on dense matrices, and values worked out elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from recbench.baselines.bspm import BSPM
from recbench.baselines.building_blocks.graph_filter import NormalisedGraph
from recbench.baselines.gf_cf import GFCF
from recbench.evaluation.predictions import BlockScores
from tests.baselines.dense import EXAMPLE, Matrix, all_scores, inverse, matrices, positives


def parts(had: Matrix, factors: int) -> tuple[Matrix, Matrix]:
    """Return P = R~'R~ and the projection on its first eigenvectors; no example whose eigenvalues meet there."""
    user, item = inverse(np.sqrt(had.sum(1))), inverse(np.sqrt(had.sum(0)))
    graph = user[:, None] * had * item
    value, vector = np.linalg.eigh(graph.T @ graph)
    assume(factors >= len(value) or value[-factors] - value[-factors - 1] > 1e-2)
    first = vector[:, -factors:]
    return graph.T @ graph, item[:, None] * first @ first.T * np.sqrt(had.sum(0))


@settings(deadline=None, max_examples=40)
@given(matrices(), st.integers(1, 4), st.sampled_from([0.0, 0.3]))
def test_gf_cf(had: Matrix, factors: int, ideal: float) -> None:
    assume(min(had.shape) >= factors)
    smooth, low = parts(had, factors)
    wanted = had @ smooth + ideal * had @ low
    assert all_scores(GFCF(factors=factors, ideal=ideal), positives(had), had.shape[1]) == pytest.approx(
        wanted, abs=1e-4
    )


@settings(deadline=None, max_examples=40)
@given(matrices(), st.integers(1, 4), st.sampled_from(["euler", "rk4"]), st.sampled_from([0.0, 1.0, 2.5]))
def test_bspm(had: Matrix, factors: int, solver: str, time: float) -> None:
    assume(min(had.shape) >= factors)
    smooth, low = parts(had, factors)
    signal = had @ smooth + 0.2 * had @ low

    def slope(at: Matrix) -> Matrix:
        return -at @ smooth

    if solver == "euler":
        wanted = signal + time * slope(signal)
    else:
        first = slope(signal)
        second = slope(signal + time / 2 * first)
        third = slope(signal + time / 2 * second)
        wanted = signal + time / 6 * (first + 2 * second + 2 * third + slope(signal + time * third))
    model = BSPM(factors=factors, sharpening=time, solver=solver)  # type: ignore[arg-type]
    assert all_scores(model, positives(had), had.shape[1]) == pytest.approx(wanted, abs=1e-3)


def test_five_users() -> None:
    linear = [0.69889595, 0.62945150, 0.46278482, 0.31285946]
    assert all_scores(GFCF(factors=1, ideal=0.0), positives(EXAMPLE), 4)[0] == pytest.approx(linear, abs=1e-5)
    both = [0.89889595, 0.77945150, 0.61278482, 0.41285946]
    assert all_scores(GFCF(factors=1), positives(EXAMPLE), 4)[0] == pytest.approx(both, abs=1e-5)
    sharpened = [-1.06625458, -0.92202123, -1.01924345, -0.82323817]
    model = BSPM(factors=1, solver="euler")
    assert all_scores(model, positives(EXAMPLE), 4)[0] == pytest.approx(sharpened, abs=1e-5)


def test_new_users_are_scored_from_what_is_given() -> None:
    train, known = np.vstack([EXAMPLE, np.zeros(4)]), np.vstack([EXAMPLE, EXAMPLE[0]])
    scores = all_scores(GFCF(factors=2), positives(train), 4, positives(known))
    assert scores[5] == pytest.approx(scores[0], abs=1e-5) and scores[5].any()


def test_more_factors_than_there_are_waves() -> None:
    scores = all_scores(GFCF(factors=1000, ideal=1.0), positives(EXAMPLE), 4)
    linear = all_scores(GFCF(ideal=0.0), positives(EXAMPLE), 4)
    assert scores == pytest.approx(linear + np.array(EXAMPLE), abs=1e-4)  # all waves together are what there was


@pytest.mark.parametrize("factors", [5, 20, 60])
def test_the_singular_vectors_are_those_of_a_dense_matrix(factors: int) -> None:
    had = (np.random.default_rng(0).random((400, 250)) < 0.05).astype(float)
    found = NormalisedGraph(positives(had), 250).principal(factors)
    graph = inverse(np.sqrt(had.sum(1)))[:, None] * had * inverse(np.sqrt(had.sum(0)))
    wanted = np.linalg.svd(graph)[2][:factors].T
    assert found.T @ found == pytest.approx(np.eye(factors), abs=1e-4)
    assert np.linalg.norm(wanted.T @ found) ** 2 == pytest.approx(factors, rel=1e-3)  # they span the same space


@pytest.mark.parametrize("model", [GFCF(), BSPM()])
@pytest.mark.parametrize("pairs", [1, 30, 200, 300])
def test_users_of_hardly_an_item_each(model: GFCF | BSPM, pairs: int) -> None:
    generator = np.random.default_rng(0)  # nearly all singular values are 1 or 0
    had = np.zeros((2000, 1500))
    had[generator.integers(0, 2000, pairs), generator.integers(0, 1500, pairs)] = 1
    scores = model.fit(positives(had), 1500, 0).scores(positives(had))
    assert isinstance(scores, BlockScores)
    block = scores.score(torch.arange(2000))
    assert block.isfinite().all() and not block[had.sum(1) == 0].any()
