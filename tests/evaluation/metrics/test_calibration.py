from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from torch import Tensor

from recbench.evaluation.metric import METRICS, RowMetric
from recbench.evaluation.request import parse


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
