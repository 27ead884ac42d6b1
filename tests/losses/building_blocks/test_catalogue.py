"""The log-sum-exp over a catalogue in blocks: values, gradients, memory."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.func import grad, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from recbench.losses.building_blocks.catalogue import log_sum_exp


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.double) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


class Largest(TorchDispatchMode):
    """Notes the most numbers that a result of any operation holds."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.numbers = max(self.numbers, result.numel())
        return result


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 9),
    items=st.integers(1, 40),
    dim=st.integers(1, 5),
    block=st.integers(1, 200),
    scale=st.sampled_from([0.1, 1.0, 30.0, 1e4]),
)
def test_values_and_gradients_are_those_of_torch(rows: int, items: int, dim: int, block: int, scale: float) -> None:
    weight = draw(rows, seed=2)
    results = []
    for own in (True, False):
        query, key = draw(rows, dim).requires_grad_(), draw(items, dim, seed=1).mul_(scale).requires_grad_()
        value = log_sum_exp(query, key, block) if own else (query @ key.T).logsumexp(1)
        results.append([value, *torch.autograd.grad((value * weight).sum(), (query, key))])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


def test_gradients_by_finite_differences() -> None:
    query, key = draw(3, 2).requires_grad_(), draw(7, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda *pair: log_sum_exp(*pair, 6), (query, key))


def test_only_a_block_of_logits_exists_at_a_time() -> None:
    rows, items, dim, block = 50, 4000, 4, 2000
    query, key = draw(rows, dim).requires_grad_(), draw(items, dim, seed=1).requires_grad_()
    with Largest() as largest:
        log_sum_exp(query, key, block).sum().backward()
    assert largest.numbers <= max(block, items * dim)
    with Largest() as largest:
        (query @ key.T).logsumexp(1).sum().backward()
    assert largest.numbers == rows * items


def test_more_rows_than_a_block_go_one_item_at_a_time() -> None:
    query, key = draw(30, 2), draw(5, 2, seed=1)
    torch.testing.assert_close(log_sum_exp(query, key, 10), (query @ key.T).logsumexp(1))


def test_half_precision_adds_up_in_single_precision() -> None:
    query, key = draw(4, 8, dtype=torch.float).bfloat16(), draw(3000, 8, seed=1, dtype=torch.float).bfloat16()
    value = log_sum_exp(query.requires_grad_(), key, 4 * 100)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, (query.double() @ key.double().T).logsumexp(1).float(), rtol=0, atol=0.02)
    value.sum().backward()
    assert query.grad is not None and query.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("of", [0, 1])
def test_several_models_at_once(of: int) -> None:
    """`vmap` of the gradient is the gradient of each."""
    query, key = draw(3, 5, 2), draw(3, 11, 2, seed=1)

    def total(query: Tensor, key: Tensor) -> Tensor:
        return log_sum_exp(query, key, 20).sum()

    together = vmap(grad(total, of))(query, key)
    apart = torch.stack([grad(total, of)(*pair) for pair in zip(query, key, strict=True)])
    torch.testing.assert_close(together, apart)
