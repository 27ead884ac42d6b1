"""The lambda form of CROLoss in closed form, and its gradient."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from recbench.data.dataset import Info
from tests.losses.by_hand import sigmoid
from tests.losses.rank_slates import ITEMS, KERNELS, gradient, made, random_logits, value, vector


@pytest.mark.parametrize("normalise", ["paper", "code"])
@pytest.mark.parametrize("alpha", [1.0, 1.4])
def test_values_of_the_lambda_form(alpha: float, normalise: str) -> None:
    """x^-alpha / Z at the rank by the sigmoid, times the rank by exp, both among ITEMS in place of three."""
    gaps, scale = (1.0, -3.0, -6.0), ITEMS / 3
    weight_rank, rank = 1 + sum(sigmoid(gap) for gap in gaps), 1 + sum(exp(gap) for gap in gaps)
    z = log(ITEMS + 1) if alpha == 1 else ((ITEMS + 1) ** (1 - alpha) - 1) / (1 - alpha)
    if normalise == "paper":
        expected = (scale * weight_rank) ** -alpha / z * scale * rank
    elif alpha == 1:  # where the code scales no rank
        expected = weight_rank**-alpha / z * rank * log(ITEMS + 1)
    else:
        expected = (scale * weight_rank) ** -alpha / z * rank * log(ITEMS + 1)
    loss = made("croloss-lambda", kernel="exp", alpha=alpha, normalise=normalise)
    assert float(value(loss, vector())) == pytest.approx(expected, rel=1e-12)


def test_the_lambda_weight_passes_no_gradient() -> None:
    """One of three negatives is above the positive: the step rank is 2 * 1000 / 3, and its weight a constant."""
    loss = made("croloss-lambda", weight_kernel="step", kernel="exp")
    weight = 1 / (2 * ITEMS / 3 * log(ITEMS + 1))
    expected = [weight * ITEMS / 3 * exp(gap) for gap in (1, -3, -6)]
    found = gradient(lambda x: value(loss, x), vector())
    assert found[0].tolist() == pytest.approx([-sum(expected), *expected], rel=1e-12)


def test_the_step_counts_ties() -> None:
    """The unit step of equation 6 is 1 at 0."""
    logit = torch.zeros(1, 3, dtype=torch.float64)
    loss = made("croloss-lambda", Info(1, 2, (0.5,)), weight_kernel="step", kernel="sigmoid", alpha=1.0)
    assert float(value(loss, logit)) == pytest.approx(2 / 3 / log(3))  # rank 3 by the step, 2 by the sigmoid


@pytest.mark.parametrize("normalise", ["paper", "code"])
@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0, 1.4])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_lambda_form_with_equal_kernels_has_the_gradient_of_croloss(
    kernel: str, alpha: float, normalise: str
) -> None:
    """Equation 20: w(R) phi' is the derivative of W(R). The code drops the scale of the rank it multiplies by."""
    logit = random_logits()
    plain = made("croloss", kernel=kernel, alpha=alpha, normalise=normalise)
    weighed = made("croloss-lambda", weight_kernel=kernel, kernel=kernel, alpha=alpha, normalise=normalise)
    scale = 1.0 if normalise == "paper" or alpha in (0, 1) else ITEMS / 8
    torch.testing.assert_close(
        gradient(lambda x: value(plain, x), logit), gradient(lambda x: value(weighed, x), logit) * scale
    )
