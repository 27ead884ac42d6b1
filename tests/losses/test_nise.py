"""NISE: pseudo-labels and their gradient."""

from __future__ import annotations

import pytest
import torch

from recbench.batch import Batch, Towers
from tests.losses.by_hand import TWO, batch, loss, sigmoid
from tests.losses.multitask_rows import (
    CLICK_PAY,
    LOGITS,
    entropy,
    four_rows,
    of,
    plain_rows,
    random_rows,
    slow_nise,
    two_towers,
)


def test_gradients_of_the_pseudo_labels() -> None:
    inner = torch.tensor([[row[0][:2]] for row in LOGITS], dtype=torch.float64, requires_grad=True)
    loss("nise", TWO)(Towers(torch.empty(0), torch.empty(0), pair=inner), batch(CLICK_PAY)).backward()
    assert inner.grad is not None
    expected = [-x * sigmoid(x) * sigmoid(-x) / 4 for x in (0.4, -1.0)]  # of the entropy, in a mean over four rows
    assert inner.grad[2:, 0, 1].tolist() == pytest.approx(expected, abs=1e-12)
    # By hand, for a mean over the two rows without a click.
    assert expected == pytest.approx([-0.04805215 / 2, 0.09830597 / 2], abs=1e-8)


def test_nise_without_reached_rows_and_with_weight_one_is_the_mean_entropy() -> None:
    inner, labels = random_rows("nise", TWO)
    none = Batch(labels.user, labels.item, torch.zeros_like(labels.label), labels.mask)
    rows = plain_rows(inner, none)
    entropies = [entropy(sigmoid(x[1]), sigmoid(x[1]), 1.0) + entropy(sigmoid(x[0]), 0, 1.0) for x, _ in rows]
    assert float(loss("nise", TWO)(of(inner), none)) == pytest.approx(sum(entropies) / len(rows), rel=1e-10)


@pytest.mark.parametrize(("largest", "capped"), [(50.0, False), (0.25, True)])
def test_nise_scales_its_steps_dynamically(largest: float, capped: bool) -> None:
    inner, labels = random_rows("nise", TWO)
    gradients = []
    for dynamic in (False, True):
        own = inner.clone().requires_grad_()
        settings = {"dynamic": True, "largest": largest} if dynamic else {}
        loss("nise", TWO, **settings)(of(own), labels).backward()
        assert own.grad is not None
        gradients.append(own.grad)
    rows = plain_rows(inner, labels)
    first = sum(entropy(sigmoid(x[0]), y[0], 1.0) for x, y in rows)
    steps = sum(slow_nise(row, [1.0, 1.0]) for row in rows) - first
    factor = largest if capped else first / steps
    assert factor != pytest.approx(1.0, abs=0.01)
    torch.testing.assert_close(gradients[1][..., 1], factor * gradients[0][..., 1], rtol=1e-5, atol=1e-12)
    torch.testing.assert_close(gradients[1][..., 0], gradients[0][..., 0])


def test_nise() -> None:
    """The mean over four rows of the sum of its terms, by a loop over the formulas."""
    value = loss("nise", TWO)(two_towers("nise"), batch(CLICK_PAY))
    expected = sum(slow_nise(row, [1.0, 1.0]) for row in four_rows("nise")) / 4
    assert float(value) == pytest.approx(expected, abs=1e-12)
