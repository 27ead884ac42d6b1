"""Metrics of scored rows: what users add to them, how resampled users spread, calibration, order of levels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score
from torch import Tensor

from recbench.evaluation.metric import METRICS, RowMetric
from recbench.evaluation.metrics.rows import CIndex
from recbench.evaluation.request import parse
from recbench.evaluation.statistics import Sample, interval


def log(users: int = 40, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    random = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), random.integers(1, 30, users))
    taste = random.normal(0, 1, users)[user]
    score = np.round(taste + random.normal(0, 1, len(user)), 1)  # rounded, so that there are ties
    label = random.random(len(user)) < 1 / (1 + np.exp(-score + random.normal(0, 1, users)[user]))
    order = random.permutation(len(user))
    return torch.from_numpy(score[order]), torch.from_numpy(label[order]).byte(), torch.from_numpy(user[order] * 3)


@pytest.mark.parametrize("word", ["auc", "gauc", "gauc(mean)", "gauc(gnolr)", "logloss"])
def test_parts_sum_to_the_metric(word: str) -> None:
    score, label, user = log()
    metric = parse(word).metric
    assert isinstance(metric, RowMetric)
    score = score.sigmoid().log() if "probability" in metric.needs else score
    parts = metric.parts(score, label, user)
    assert parts is not None
    assert torch.equal(parts.user, parts.user.unique()) and set(parts.user.tolist()) <= set(user.tolist())
    found = float(parts.numerator.sum() / parts.denominator.sum())
    assert found == pytest.approx(metric.value(score, label, user).value, abs=1e-12)


def test_users_of_one_class_have_an_influence_on_the_auc_but_not_on_the_gauc() -> None:
    score = torch.tensor([0.9, 0.1, 0.5, 0.4])
    label = torch.tensor([1, 1, 0, 1])
    user = torch.tensor([5, 5, 7, 7])
    auc, gauc = parse("auc").metric, parse("gauc").metric
    assert isinstance(auc, RowMetric) and isinstance(gauc, RowMetric)
    of_all, of_both = auc.parts(score, label, user), gauc.parts(score, label, user)
    assert of_all is not None and of_both is not None
    assert of_all.user.tolist() == [5, 7] and of_both.user.tolist() == [7]
    # area 1/3; user 5 adds 2((1 - 1/3) + (0 - 1/3))/3, user 7 adds 2((0 - 1/3)/3 + (1/3 - 1/3)/1)
    assert of_all.numerator.tolist() == pytest.approx([1 / 3 + 2 / 9, 1 / 3 - 2 / 9])


def test_the_interval_of_an_auc_is_that_of_resampled_users() -> None:
    score, label, user = log(users=150, seed=3)
    metric = parse("auc").metric
    assert isinstance(metric, RowMetric)
    parts = metric.parts(score, label, user)
    assert parts is not None
    found = interval(Sample("auc", parts.numerator.numpy()[None], parts.denominator.numpy()[None]))
    random, rows = np.random.default_rng(1), {int(u): (user == u).nonzero()[:, 0].numpy() for u in user.unique()}
    names = np.array(list(rows))
    areas = []
    for _ in range(1500):
        drawn = np.concatenate([rows[int(u)] for u in random.choice(names, len(names))])
        areas.append(roc_auc_score(label.numpy()[drawn], score.numpy()[drawn]))
    assert found == pytest.approx(tuple(np.quantile(areas, [0.025, 0.975])), abs=0.006)
    assert np.diff(found)[0] == pytest.approx(np.diff(np.quantile(areas, [0.025, 0.975]))[0], rel=0.1)


def test_metrics_that_are_not_decomposable_by_user_have_no_parts() -> None:
    metric = parse("ece").metric
    assert isinstance(metric, RowMetric)
    assert metric.parts(torch.zeros(3), torch.tensor([0, 1, 0]), torch.arange(3)) is None


def value(word: str, probability: Tensor, label: Tensor) -> float:
    metric = parse(word).metric
    assert isinstance(metric, RowMetric)
    return metric.value(probability.log(), label, torch.zeros(len(label), dtype=torch.int)).value


def predictions(rows: int = 5000) -> tuple[Tensor, Tensor]:
    random = np.random.default_rng(0)
    probability = random.beta(1, 6, rows)
    label = random.random(rows) < probability**1.3
    return torch.from_numpy(probability), torch.from_numpy(label.astype(np.uint8))


@pytest.mark.parametrize(("word", "strategy"), [("ece", "uniform"), ("ece(mass)", "quantile")])
def test_calibration_error_is_that_of_sklearn_s_curve(word: str, strategy: str) -> None:
    probability, label = predictions(15 * 300)
    observed, predicted = calibration_curve(label, probability, n_bins=15, strategy=strategy)
    if strategy == "quantile":
        weight = np.full(15, 1 / 15)
    else:
        counts = np.histogram(probability, np.linspace(0, 1, 16))[0]
        weight = counts[counts > 0] / counts.sum()
    expected = float((np.abs(observed - predicted) * weight).sum())
    assert value(word, probability, label) == pytest.approx(expected, rel=1e-3)


def test_what_is_calibrated_has_no_error() -> None:
    probability = torch.tensor([0.2] * 10 + [0.5] * 4)
    label = torch.tensor([1] * 2 + [0] * 8 + [1, 1, 0, 0])
    assert value("ece", probability, label) == pytest.approx(0, abs=1e-7)
    assert value("pcoc", probability, label) == pytest.approx(1)
    assert value("pcoc", probability / 2, label) == pytest.approx(0.5)


def test_nothing_to_count() -> None:
    empty = torch.empty(0)
    assert math.isnan(value("ece", empty, empty)) and math.isnan(value("pcoc", torch.tensor([0.1]), torch.tensor([0])))


def test_metrics_of_probabilities_say_so() -> None:
    for name in ("ece", "pcoc", "logloss"):
        metric = METRICS.get(name)
        assert issubclass(metric, RowMetric) and "probability" in metric.needs


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 4)), max_size=40),
)
def test_cindex_is_the_share_of_pairs_in_order(rows: list[tuple[int, int, int]]) -> None:
    right = pairs = 0.0
    for user, level, score in rows:
        for other, lower, its in rows:
            if user == other and level > lower:
                pairs += 1
                right += 1.0 if score > its else 0.5 if score == its else 0.0
    columns = torch.tensor(rows, dtype=torch.long).reshape(-1, 3)
    found = CIndex().value(columns[:, 2].double(), columns[:, 1].to(torch.uint8), columns[:, 0])
    users = {u for u, level, _ in rows for v, lower, _ in rows if u == v and level > lower}
    assert found.count == len(users)
    assert found.value == pytest.approx(right / pairs) if pairs else math.isnan(found.value)
