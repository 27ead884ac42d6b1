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
    """There the objective is the sum of (1 + log L_t) / 2 with gradient 0; anywhere else it is higher."""
    terms = torch.tensor([0.7, 0.02], dtype=torch.float64)
    balance = Uncertainty(TWO).double()
    with torch.no_grad():
        balance.log_variance.copy_(terms.log())
    lowest = balance(terms, NOWHERE)
    lowest.backward()
    assert lowest.item() == pytest.approx(sum((1 + log(term)) / 2 for term in terms.tolist()), abs=1e-12)
    torch.testing.assert_close(balance.log_variance.grad, torch.zeros_like(terms))
    for change in torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64):
        with torch.no_grad():
            balance.log_variance.copy_(terms.log() + change)
        assert balance(terms, NOWHERE).item() > lowest.item()


def test_scaling_one_term_changes_its_weight_alone() -> None:
    balance = Uncertainty(TWO, start=0.4).double()
    terms = torch.tensor([0.7, 0.2], dtype=torch.float64, requires_grad=True)
    (weight,) = torch.autograd.grad(balance(terms, NOWHERE), terms)
    assert weight.tolist() == pytest.approx([exp(-0.4) / 2] * 2, abs=1e-7)
