"""Bayesian personalised ranking in closed form."""

from __future__ import annotations

import pytest

from tests.losses.by_hand import batch, loss, sigmoid, softplus, tensor, towers

EXPECTED = (softplus(-1) + softplus(1)) / 2  # the positive is 1 above its negative, and 1 below


def test_bpr() -> None:
    inner = tensor([[2, 1], [0.5, 1.5]]).requires_grad_()
    value = loss("bpr")(towers(inner), batch([[1, 0], [1, 0]]))
    value.backward()
    assert float(value.detach()) == pytest.approx(EXPECTED, abs=1e-12)
    assert inner.grad is not None
    assert inner.grad[:, 0, 0].tolist() == pytest.approx([-sigmoid(-1) / 2, -sigmoid(1) / 2], abs=1e-12)


def test_bpr_leaves_out_masked_negatives() -> None:
    slates = batch([[1, 0, 0]] * 2, [[True, True, False]] * 2)
    assert float(loss("bpr")(towers([[2, 1, 50], [0.5, 1.5, 7]]), slates)) == pytest.approx(EXPECTED, abs=1e-12)
