"""GradNorm: a published value, its objective in closed form, and that it equalises the gradients."""

from __future__ import annotations

import pytest
import torch

from recbench.losses.balance.gradnorm import GradNorm
from tests.losses.balance.task_terms import TWO, Linear


def test_value_of_the_formula() -> None:
    balance = GradNorm(TWO, alpha=1.5).double()
    with torch.no_grad():
        balance.theta.copy_(torch.tensor([0.0, 0.2]))
        balance.first.copy_(torch.tensor([1.0, 0.6]))
    weight = 2 * balance.theta.softmax(0)
    torch.testing.assert_close(weight.tolist(), [0.9003320053750443, 1.099667994624956], rtol=0, atol=1e-7)
    norm = weight * torch.tensor([2.0, 0.5]).double()
    value = balance.imbalance(norm, torch.tensor([0.8, 0.3]).double())
    assert value.item() == pytest.approx(0.4390198854294033, abs=1e-7)


def test_the_first_terms_are_those_of_the_first_step() -> None:
    balance, linear = GradNorm(TWO).double(), Linear(torch.eye(2))
    linear.descend(balance)
    with torch.no_grad():
        linear.shared.copy_(torch.tensor([1.0, 2.0]))
    linear.descend(balance)
    assert balance.first.tolist() == [5, 5]


def test_a_term_without_rows_in_the_first_batch_starts_with_its_first_value() -> None:
    balance, norm = GradNorm(TWO).double(), torch.tensor([2.0, 1.0]).double().requires_grad_()
    for buys, first in ((0.0, [3.0, torch.nan]), (0.5, [3.0, 0.5]), (0.0, [3.0, 0.5])):
        value = balance.imbalance(norm, torch.tensor([3.0, buys]).double())
        assert value.isfinite() and torch.autograd.grad(value, norm)[0].isfinite().all()
        torch.testing.assert_close(balance.first.tolist(), first, equal_nan=True)


def test_the_model_descends_the_weighted_sum_and_the_weights_their_imbalance() -> None:
    """At equal weights, terms at their start: sum of |G_t - mean G|, with G = (3, 1) and the target held at 2."""
    balance, linear = GradNorm(TWO).double(), Linear(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    assert float(linear.descend(balance)) == 10  # the weighted sum alone
    assert linear.shared_gradient == [3, 1] and linear.own_gradients == [3, 3]
    assert balance.theta.grad is not None
    # d(|3 w_1 - 2| + |w_2 - 2|) / d(theta) = 3 w_1' - w_2', with w' = w (1 - w / 2) = 1/2 and -1/2
    torch.testing.assert_close(balance.theta.grad, torch.tensor([2.0, -2.0]).double())


def test_the_gradients_become_equally_large() -> None:
    """With terms that stay where they started, the weights are inverse to the norms, and add up to T."""
    balance, linear = GradNorm(TWO).double(), Linear(torch.tensor([[6.0, 0.0], [0.0, 2.0]]))
    optimizer = torch.optim.Adam(balance.parameters(), lr=0.01)
    for _ in range(300):
        optimizer.zero_grad()
        linear.descend(balance)
        optimizer.step()
    weight = (2 * balance.theta.softmax(0)).tolist()
    assert weight == pytest.approx([0.5, 1.5], abs=0.02)


def test_a_term_that_falls_more_slowly_gets_a_larger_gradient() -> None:
    balance, linear = GradNorm(TWO, alpha=1.0).double(), Linear(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    linear.descend(balance)
    with torch.no_grad():
        linear.shared[0] = -4  # the first term fell from 5 to 1
    balance.theta.grad = None
    linear.descend(balance)
    assert balance.theta.grad is not None
    assert balance.theta.grad[0] > 0 > balance.theta.grad[1]


def test_identical_terms_keep_equal_weights() -> None:
    balance, linear = GradNorm(TWO).double(), Linear(torch.tensor([[2.0, 1.0], [2.0, 1.0]]))
    linear.descend(balance)
    assert balance.theta.grad is not None
    torch.testing.assert_close(balance.theta.grad, torch.zeros(2).double())
