"""Logarithms against high-precision values."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.numerics import gathered_inner, log1mexp


@given(st.floats(1e-300, 700))
def test_log1mexp(x: float) -> None:
    expected = math.log(-math.expm1(-x)) if x < math.log(2) else math.log1p(-math.exp(-x))
    assert log1mexp(torch.tensor(x, dtype=torch.float64)).item() == pytest.approx(expected, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_gradients_are_finite_at_both_ends(dtype: torch.dtype) -> None:
    x = torch.tensor([0.0, 1e-30, 1e-4, 0.69, 0.7, 50.0, 1e4], dtype=dtype, requires_grad=True)
    log1mexp(x).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert log1mexp(x).isfinite().all()


def test_gradient_against_its_closed_form() -> None:
    x = torch.linspace(0.01, 5, 50, dtype=torch.float64, requires_grad=True)
    log1mexp(x).sum().backward()
    torch.testing.assert_close(x.grad, 1 / torch.expm1(x.detach()))


@pytest.mark.parametrize("block", [1, 50, 10**6])
@pytest.mark.parametrize("towers", [1, 3])
def test_inner_products_with_gathered_rows(towers: int, block: int) -> None:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(5, towers, 4, generator=generator, dtype=torch.double, requires_grad=True)
    table = torch.randn(7, towers, 4, generator=generator, dtype=torch.double, requires_grad=True)
    index = torch.randint(7, (5, 6), generator=generator)
    found, expected = gathered_inner(query, table, index, block), (query[:, None] * table[index]).sum(-1)
    torch.testing.assert_close(found, expected)
    weight = torch.randn(found.shape, generator=generator, dtype=torch.double)
    slopes = [torch.autograd.grad((value * weight).sum(), (query, table)) for value in (found, expected)]
    torch.testing.assert_close(slopes[0], slopes[1])
