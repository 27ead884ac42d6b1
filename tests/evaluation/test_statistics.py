from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from recbench.errors import UsageError
from recbench.evaluation.statistics import Array, Sample, compare, holm, interval


def of_users(name: str, *runs: Array) -> Sample:
    numerator = np.stack(runs)
    return Sample(name, numerator, np.ones_like(numerator))


def test_an_interval_is_scipy_s() -> None:
    random = np.random.default_rng(1)
    first = random.normal(0.5, 0.2, 400)
    second = first - random.normal(0.02, 0.1, 400)
    (found,) = compare([of_users("a", first), of_users("b", second)])
    expected = bootstrap((first - second,), np.mean, n_resamples=10_000, method="percentile", rng=2)
    assert found.value == pytest.approx((first - second).mean())
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval), abs=4e-4)
    assert found.detectable == pytest.approx(2.802 * expected.standard_error, rel=0.03)


def test_a_ratio_s_interval_is_scipy_s() -> None:
    random = np.random.default_rng(1)
    weight = random.integers(1, 30, 300).astype(float)
    value = random.beta(4, 2, 300)
    found = interval(Sample("gauc", (value * weight)[None], weight[None]))
    expected = bootstrap(
        (value * weight, weight),
        lambda top, bottom, axis: top.sum(axis) / bottom.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=10_000,
        method="percentile",
        rng=2,
    )
    assert found == pytest.approx(tuple(expected.confidence_interval), abs=1e-3)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(5)
    held = 0
    for _ in range(500):
        common = random.normal(0, 0.2, 150)
        first = common + random.exponential(0.1, 150)  # mean 0.1
        second = common + random.normal(0.08, 0.1, 150)
        (found,) = compare([of_users("a", first), of_users("b", second)], resamples=1000)
        held += found.low <= 0.02 <= found.high
    assert 0.93 <= held / 500 <= 0.97


def test_the_spread_over_runs_widens_the_interval() -> None:
    random = np.random.default_rng(3)
    users = random.normal(0.5, 0.05, 2000)
    steady = of_users("steady", *[users + 0.01] * 3)
    moving = of_users("moving", users - 0.03, users, users + 0.03)
    (found,) = compare([steady, moving])
    assert found.value == pytest.approx(0.01)
    assert found.low < 0 < found.high  # three runs that differ by 0.03 do not show a difference of 0.01
    spread = np.std([-0.03, 0, 0.03], ddof=1) / np.sqrt(3)
    assert found.detectable == pytest.approx(2.802 * spread, rel=0.03)
    (alone,) = compare([steady, of_users("still", *[users] * 3)])
    assert alone.low == pytest.approx(0.01) and alone.high == pytest.approx(0.01)


def test_no_difference_is_not_real_and_a_large_one_is() -> None:
    random = np.random.default_rng(4)
    users = random.normal(0.5, 0.1, 500)
    same, near, far = users, users + random.normal(0, 0.1, 500), users + random.normal(0.1, 0.1, 500)
    found = {
        (d.first, d.second): d for d in compare([of_users(n, v) for n, v in zip("abc", (same, near, far), strict=True)])
    }
    assert len(found) == 3
    assert not found["a", "b"].real and found["a", "c"].real and found["b", "c"].real
    assert all(d.corrected >= d.p for d in found.values())
    (equal,) = compare([of_users("a", users), of_users("b", users)])
    assert equal.p == 1 and not equal.real and equal.low == equal.high == 0


def test_equal_seeds_give_equal_numbers() -> None:
    users = np.random.default_rng(0).normal(size=(2, 50))
    samples = [of_users("a", users[0]), of_users("b", users[1])]
    assert compare(samples, seed=7) == compare(samples, seed=7)
    assert compare(samples, seed=7) != compare(samples, seed=8)


def test_who_else_is_compared_changes_no_interval() -> None:
    random = np.random.default_rng(6)
    runs = {name: random.normal(size=(3, 80)) for name in "abc"}
    a, b, c = (Sample(name, values, np.ones_like(values)) for name, values in runs.items())
    (alone,) = compare([a, c])
    of_pair = next(d for d in compare([a, b, c]) if (d.first, d.second) == ("a", "c"))
    assert (of_pair.low, of_pair.high, of_pair.p) == (alone.low, alone.high, alone.p)


def test_holm() -> None:  # the values of R's p.adjust(c(.01, .04, .03, .005), "holm")
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_order_and_never_lowers(p: list[float]) -> None:
    corrected = holm(p)
    assert all(1 >= c >= raw for c, raw in zip(corrected, p, strict=True))
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.asarray(corrected)[order]) >= 0).all()
    assert min(corrected) == pytest.approx(min(1, min(p) * len(p)))


def test_what_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match="two methods"):
        compare([of_users("a", np.ones(3))])
    with pytest.raises(UsageError, match="two users"):
        compare([of_users("a", np.ones(1)), of_users("b", np.ones(1))])
