"""Fixed weights."""

from __future__ import annotations

import pytest
import torch

from recbench.errors import UsageError
from tests.losses.balance.task_terms import TWO, Linear, strategy


def test_terms_are_weighted() -> None:
    linear = Linear(torch.tensor([[1.0, 0.0], [2.0, -1.0]]))
    assert float(linear.descend(strategy("fixed", TWO, weights="1,4"))) == 25
    assert linear.shared_gradient == [9, -4] and linear.own_gradients == [3, 12]


def test_there_is_a_weight_for_each_feedback() -> None:
    with pytest.raises(UsageError, match="loss.balance.weights=1,2,3: expected 1 or 2 numbers"):
        strategy("fixed", TWO, weights="1,2,3")
