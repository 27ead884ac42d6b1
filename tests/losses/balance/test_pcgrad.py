"""PCGrad: a published value, a plain loop over random gradients, and what it leaves as it is."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recbench.losses.balance.pcgrad import projected
from tests.losses.balance.task_terms import THREE, TWO, Linear, strategy


def slow(gradients: Tensor, order: Tensor) -> Tensor:
    """Algorithm 1 of the paper with the gradients themselves."""
    result = gradients.clone()
    for i in range(len(gradients)):
        for j in order[i].tolist():
            inner = float(result[i] @ gradients[j])
            if j != i and inner < 0:
                result[i] -= inner / float(gradients[j] @ gradients[j]) * gradients[j]
    return result


def test_two_gradients_that_conflict() -> None:
    linear = Linear(torch.tensor([[1.0, 0.0], [-1.0, 1.0]]))
    assert float(linear.descend(strategy("pcgrad", TWO))) == 10
    assert linear.shared_gradient == pytest.approx([0.5, 1.5], abs=1e-12)
    assert linear.own_gradients == [3, 3]  # weights that one term reaches alone


def test_gradients_that_do_not_conflict_stay_as_they_are() -> None:
    for second in ([0.0, 1.0], [0.5, 1.0]):
        linear = Linear(torch.tensor([[1.0, 0.0], second]))
        linear.descend(strategy("pcgrad", TWO))
        assert linear.shared_gradient == [1 + second[0], second[1]]


def test_a_term_without_gradient_changes_nothing() -> None:
    linear = Linear(torch.tensor([[1.0, 0.0], [-1.0, 1.0], [0.0, 0.0]]))
    linear.descend(strategy("pcgrad", THREE))
    assert linear.shared_gradient == pytest.approx([0.5, 1.5], abs=1e-12)


@given(st.integers(0, 10**6), st.integers(1, 5))
def test_projections_are_those_of_a_loop(seed: int, tasks: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    gradients = torch.randn(tasks, 3, generator=generator, dtype=torch.float64)
    order = torch.rand(tasks, tasks, generator=generator).argsort(1)
    result = projected(gradients @ gradients.T, order) @ gradients
    torch.testing.assert_close(result, slow(gradients, order), rtol=1e-6, atol=1e-8)


def test_the_last_projection_leaves_no_conflict_of_two() -> None:
    gradients = torch.tensor([[1.0, 0.2], [-3.0, 1.0]], dtype=torch.float64)
    result = projected(gradients @ gradients.T, torch.tensor([[1, 0], [0, 1]])) @ gradients
    assert (result[0] @ gradients[1]).item() == pytest.approx(0, abs=1e-12)
    assert (result[1] @ gradients[0]).item() == pytest.approx(0, abs=1e-12)
