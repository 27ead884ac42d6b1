"""DCMT."""

from __future__ import annotations

import pytest
import torch

from recbench.batch import Batch
from tests.losses.by_hand import TWO, batch, loss, sigmoid
from tests.losses.multitask_rows import (
    CLICK_PAY,
    entropy,
    four_rows,
    of,
    random_rows,
    slow_dcmt,
    slow_esmm,
    two_towers,
)


def test_dcmt_self_normalised_without_reached_rows_is_finite() -> None:
    inner, labels = random_rows("dcmt", TWO)
    none = Batch(labels.user, labels.item, torch.zeros_like(labels.label), labels.mask)
    own = inner.clone().requires_grad_()
    value = loss("dcmt", TWO, normalise=True)(of(own), none)
    value.backward()
    assert value.isfinite()
    assert own.grad is not None
    assert own.grad.isfinite().all()


def test_dcmt() -> None:
    """The mean over four rows of the sum of its terms, by a loop over the formulas."""
    value = loss("dcmt", TWO)(two_towers("dcmt"), batch(CLICK_PAY))
    expected = sum(slow_dcmt(row, [1.0, 1.0]) for row in four_rows("dcmt")) / 4
    assert float(value) == pytest.approx(expected, abs=1e-12)


def test_dcmt_divided_by_the_sum_of_its_weights() -> None:
    space = sum(slow_esmm(row, [1.0, 1.0]) for row in four_rows("dcmt")) / 4
    factual, opposite = [0.0, 0.0], [0.0, 0.0]  # of weighted errors and of weights
    for logit, (click, pay) in four_rows("dcmt"):
        p, step, other = (sigmoid(x) for x in logit)
        weight, other_weight = click / p, (1 - click) / (1 - p)
        factual = [factual[0] + weight * entropy(step, click * pay, 1.0), factual[1] + weight]
        opposite = [opposite[0] + other_weight * entropy(other, 1 - click * pay, 1.0), opposite[1] + other_weight]
    made = loss("dcmt", TWO, normalise=True, prior=0.0, counterfactual=1.0)
    value = made(two_towers("dcmt"), batch(CLICK_PAY))
    expected = space + factual[0] / factual[1] + opposite[0] / opposite[1]
    assert float(value) == pytest.approx(expected, abs=1e-12)
