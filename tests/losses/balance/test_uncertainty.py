"""Weights by uncertainty: a published value, and the optimum in closed form."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from recbench.losses.balance import Points
from recbench.losses.balance.uncertainty import Uncertainty
from tests.losses.balance.task_terms import TWO

NOWHERE = Points([], [])


def test_value_of_the_formula() -> None:
    balance = Uncertainty(TWO).double()
    with torch.no_grad():
        balance.log_variance.copy_(torch.tensor([-0.5, 0.3]))
    assert balance(torch.tensor([0.7, 0.2]).double(), NOWHERE).item() == pytest.approx(0.5511342668132166, abs=1e-7)


def test_the_optimum_is_the_logarithm_of_the_term() -> None:
    """There the objective is the sum of (1 + log L_t) / 2, and the weights are 1 / (2 L_t)."""
    terms = torch.tensor([0.7, 0.02], dtype=torch.float64)
    balance = Uncertainty(TWO).double()
    optimizer = torch.optim.LBFGS(balance.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        value = balance(terms, NOWHERE)
        value.backward()
        return float(value.detach())

    optimizer.step(closure)
    torch.testing.assert_close(balance.log_variance.detach(), terms.log(), rtol=1e-6, atol=1e-6)
    value = balance(terms, NOWHERE).item()
    assert value == pytest.approx(sum((1 + log(term)) / 2 for term in terms.tolist()), abs=1e-9)


def test_scaling_one_term_changes_its_weight_alone() -> None:
    balance = Uncertainty(TWO, start=0.4).double()
    terms = torch.tensor([0.7, 0.2], dtype=torch.float64, requires_grad=True)
    (weight,) = torch.autograd.grad(balance(terms, NOWHERE), terms)
    assert weight.tolist() == pytest.approx([exp(-0.4) / 2] * 2, abs=1e-7)
