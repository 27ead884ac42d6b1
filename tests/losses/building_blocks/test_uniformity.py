"""Uniformity against a loop over all pairs, in blocks, with vectors that do not count, and its gradient."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from recbench.losses.building_blocks import uniformity as module
from recbench.losses.building_blocks.uniformity import uniformity


def unit_vectors(count: int, dim: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return normalize(torch.randn(count, dim, generator=generator, dtype=torch.double), dim=1)


def by_loop(vector: Tensor, counts: Tensor) -> float:
    chosen = vector[counts > 0].tolist()
    kernel = [
        math.exp(-2 * sum((x - y) ** 2 for x, y in zip(first, second, strict=True)))
        for place, first in enumerate(chosen)
        for second in chosen[:place]
    ]
    return math.log(sum(kernel) / len(kernel)) if kernel else 0.0


@pytest.mark.parametrize("kept", [0, 1 << 24])
@pytest.mark.parametrize("rows", [1, 3, 128])
def test_value_and_gradient_in_blocks_of_any_size(rows: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS", rows)
    monkeypatch.setattr(module, "KEPT", kept)
    vector, counts = unit_vectors(7), torch.tensor([1.0, 1, 0, 1, 1, 0, 1], dtype=torch.double)
    for weight in (torch.ones_like(counts), counts):
        assert float(uniformity(vector, weight)) == pytest.approx(by_loop(vector, weight), abs=1e-12)
    free = torch.randn(7, 3, dtype=torch.double, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: uniformity(normalize(x, dim=1), counts), free)


@pytest.mark.parametrize("number", [0, 1])
def test_without_a_pair_it_is_0_and_so_is_its_gradient(number: int) -> None:
    vector = unit_vectors(3).requires_grad_()
    value = uniformity(vector, (torch.arange(3) < number).double())
    value.backward()
    assert value.item() == 0
    assert vector.grad is not None
    assert not vector.grad.any()


def test_memory_does_not_grow_with_the_square_of_a_large_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 0)
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    vector = unit_vectors(600).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        uniformity(vector, torch.ones(600, dtype=torch.double))
    assert max(kept, default=0) <= 600 * 3
