"""Ranks estimated by kernels: areas, tangents, extremes."""

from __future__ import annotations

from math import exp, log
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.errors import UsageError
from recbench.losses.building_blocks.rank import PowerWeight, tangent
from tests.losses.rank_slates import ITEMS, KERNELS, gradient, made, value, vector


@pytest.mark.parametrize("name", ["croloss", "croloss-lambda"])
@pytest.mark.parametrize("alpha", [1 - 1e-6, 1 + 1e-6, 1 - 1e-9, 1 + 1e-13])
def test_continuous_at_alpha_1(name: str, alpha: float) -> None:
    near, at = (value(made(name, alpha=each), vector()) for each in (alpha, 1.0))
    assert float(near) == pytest.approx(float(at), rel=1e-5)
    assert float(near) != 0


@given(st.floats(0, 3), st.floats(0, 12))
def test_the_area_is_the_integral_of_the_density(alpha: float, log_rank: float) -> None:
    weight = PowerWeight(alpha, 200_000)
    log_x = torch.linspace(0, log_rank, 4001, dtype=torch.float64)
    density = (weight.log_density(log_x) + log_x).exp()  # over d log x
    expected = torch.trapezoid(density, log_x)
    assert float(weight.area(log_x[-1])) == pytest.approx(float(expected), rel=1e-4, abs=1e-9)


def test_the_area_of_all_ranks_is_1() -> None:
    for alpha in (0.0, 0.5, 1.0, 1.4, 2.0):
        whole = torch.tensor([log(ITEMS + 1)], dtype=torch.float64)
        assert float(PowerWeight(alpha, ITEMS).area(whole)) == pytest.approx(1.0)


SIZES: list[Literal[50, 120]] = [50, 120]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 1.4])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("name", ["croloss", "croloss-lambda"])
def test_finite_whatever_the_settings(name: str, kernel: str, alpha: float, dtype: torch.dtype, size: int) -> None:
    loss = made(name, kernel=kernel, alpha=alpha)
    logit = torch.tensor([[-1, 1, 1, -1], [1, -1, -1, -1], [1, 1, 1, 1.0]]).to(dtype) * size
    slope = gradient(lambda x: value(loss, x), logit)
    assert value(loss, logit).isfinite()
    assert slope.isfinite().all()
    if kernel in ("exp", "softplus") and alpha <= 1:  # convex kernels pull up a positive that is far below
        assert slope[0, 0] < 0 < slope[0, 1]


def test_the_tangent_beyond_e_40() -> None:
    at = torch.tensor([-50.0, 1e-12, 40.0, 41.0], dtype=torch.float64)
    assert tangent(torch.exp, at).tolist() == pytest.approx([exp(-50), exp(1e-12), exp(40), 2 * exp(40)], rel=1e-12)
    assert tangent(torch.expm1, at)[:2].tolist() == pytest.approx([exp(-50) - 1, 1e-12], rel=1e-9)
    for power in (torch.exp, torch.expm1):
        slopes = gradient(lambda x, power=power: tangent(power, x).sum(), at)  # type: ignore[misc]
        assert slopes[1:].tolist() == pytest.approx([1, exp(40), exp(40)])


@pytest.mark.parametrize(
    ("name", "key", "word"),
    [
        ("croloss", "alpha", -0.5),
        ("croloss-lambda", "alpha", -1.0),
        ("croloss", "negatives", 0),
        ("triplet", "hardest", -1),
        ("triplet", "margin", -1.0),
    ],
)
def test_settings_out_of_range(name: str, key: str, word: float) -> None:
    with pytest.raises(UsageError, match=rf"loss\.{key}={word}: expected at least"):
        made(name, **{key: word})
