"""Pairwise softmax: published values with half and whole cosines, and the softmax loss that it is with exp."""

from __future__ import annotations

from math import atan, log, tanh

import pytest
import torch

from recbench.data.dataset import Dataset
from recbench.losses.psl import Activation, log_surrogate
from tests.losses.sampled_softmax_slates import check_gradient, check_slates, slopes, value

HALF = {"tanh": 0.6204026865361191, "relu": 0.6173543969949274, "atan": 0.6203617385857182}
WHOLE = {"tanh": 0.9625376230099436, "relu": 0.9639735565408701, "atan": 0.9625065553635416}


@pytest.mark.parametrize("activation", HALF)
def test_published_values(activation: str) -> None:
    words = {"activation": activation, "temperature": "0.1"}
    assert value("psl", **words) == pytest.approx(HALF[activation], abs=1e-6)  # of a temperature in float32
    assert value("psl", scale="1", **words) == pytest.approx(WHOLE[activation], abs=1e-6)


@pytest.mark.parametrize("gap", [-0.99, -0.3, 0.0, 0.4, 1.0])
def test_activations_by_hand(gap: float) -> None:
    x = torch.tensor(gap, dtype=torch.double)
    for activation, expected in (("tanh", tanh(gap) + 1), ("atan", atan(gap) + 1), ("relu", gap + 1)):
        assert float(log_surrogate(x, activation)) == pytest.approx(log(expected), abs=1e-12)
    assert float(log_surrogate(x, "exp")) == gap


@pytest.mark.parametrize("activation", ["tanh", "atan", "relu"])
def test_where_a_surrogate_is_not_positive_it_is_finite(activation: Activation) -> None:
    gap = torch.tensor([-2.0, -1.0, -50.0], dtype=torch.double, requires_grad=True)
    found = log_surrogate(gap, activation)
    (slope,) = torch.autograd.grad(found.sum(), gap)
    assert found.isfinite().all() and slope.isfinite().all()


def test_exp_is_the_softmax_loss() -> None:
    words = {"activation": "exp", "temperature": "0.05"}
    assert value("psl", **words) == pytest.approx(value("ssm", denominator="negatives", scale="10"), abs=1e-6)
    assert slopes("psl", **words) == pytest.approx(slopes("ssm", denominator="negatives", scale="10"), abs=1e-5)


def test_close_scores_have_the_slopes_of_the_softmax_loss() -> None:
    """All surrogates are 1 + d near 0, as exp is."""
    near = [[1e-5, 2e-5, 0.0, -1e-5]]
    for activation in HALF:
        found = value("psl", near, activation=activation, temperature="0.05")
        assert found == pytest.approx(value("psl", near, activation="exp", temperature="0.05"), abs=1e-7)


@pytest.mark.parametrize("activation", ["tanh", "atan", "relu"])
def test_gradients(activation: str, view: Dataset) -> None:
    check_gradient("psl", view, activation=activation, temperature="0.1")


def test_slates(view: Dataset) -> None:
    check_slates("psl", view)
