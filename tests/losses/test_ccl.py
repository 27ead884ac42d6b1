"""The cosine contrastive loss: its published value, its gradient, and slates of any sampler."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbench.data.dataset import Dataset
from recbench.samplers import InBatch, Shared
from tests.losses.by_hand import batch, loss, tensor, towers
from tests.losses.sampled_slates import inner_products, shared_batch


def test_published_value_and_masked_negatives() -> None:
    made = loss("ccl", margin=0.4, weight=150.0)
    assert made(towers([[0.5, 0.6, 0.2, -0.1]]), batch([[1.0, 0, 0, 0]])).item() == pytest.approx(10.5, abs=1e-5)
    slates = batch([[1.0, 0, 0, 0, 0]], [[True] * 4 + [False]])
    assert made(towers([[0.5, 0.6, 0.2, -0.1, 0.99]]), slates).item() == pytest.approx(10.5, abs=1e-5)


def test_gradient_by_hand() -> None:
    """The positive's is -1 below a cosine of 1; a negative's is weight / their number above the margin."""
    inner = tensor([[0.5, 0.6, 0.2, -0.1], [1.5, 0.6, 0.7, 0.8]]).clone().requires_grad_()
    loss("ccl", margin=0.4, weight=6.0)(towers(inner), batch([[1.0, 0, 0, 0]] * 2)).backward()
    assert inner.grad is not None
    assert (2 * inner.grad[..., 0]).tolist() == [[-1, 2, 0, 0], [0, 2, 2, 2]]


@pytest.mark.parametrize("sampler", [Shared(negatives=4), InBatch()], ids=str)
def test_shared_slates_by_loop(sampler: Shared | InBatch, view: Dataset) -> None:
    slates, inner = shared_batch(view, sampler)
    assert slates.mask is not None

    def by_loop(scores: Tensor) -> Tensor:
        total = scores.new_zeros(())
        for b, row in enumerate(scores[..., 0]):
            rivals = [row[j] for j in range(len(row)) if slates.mask is not None and slates.mask[b, j] and j != b]
            total = total + (1 - row[b]).relu() + 7 * sum((s - 0.1).relu() for s in rivals) / len(rivals)
        return total / len(scores)

    value = loss("ccl", margin=0.1, weight=7.0)(inner_products(inner), slates)
    torch.testing.assert_close(value, by_loop(inner), rtol=1e-6, atol=1e-6)
    (found,) = torch.autograd.grad(value, inner)
    (expected,) = torch.autograd.grad(by_loop(inner), inner)
    torch.testing.assert_close(found, expected)
