from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap
from scipy.stats import t as student

from benchmarks import coverage
from recbench.errors import UsageError
from recbench.evaluation.statistics import Array, Sample, compare, holm, interval


def of_users(name: str, *runs: Array) -> Sample:
    numerator = np.stack(runs)
    return Sample(name, numerator, np.ones_like(numerator))


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage, "RESAMPLES", 400)


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
    reach = student.ppf(0.975, 2) * spread  # of three runs, two of which are free to differ
    assert (found.low, found.high) == pytest.approx((0.01 - reach, 0.01 + reach), rel=0.06)
    assert found.detectable == pytest.approx(2.802 / 1.96 * reach, rel=0.06)
    assert found.over == "users and runs"
    (alone,) = compare([steady, of_users("still", *[users] * 3)])
    assert alone.low == pytest.approx(0.01) and alone.high == pytest.approx(0.01)


def test_the_noise_of_users_is_not_counted_as_a_difference_of_runs() -> None:
    random = np.random.default_rng(8)
    users = random.normal(0.5, 0.1, 5000)
    runs = [users + random.normal(0, 0.05, 5000) for _ in range(10)]  # which differ by their users' noise alone
    low, high = interval(of_users("a", *runs))
    assert (high - low) / 2 == pytest.approx(1.96 * np.mean(runs, axis=0).std() / np.sqrt(5000), rel=0.1)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_runs_pair_by_seed(order: tuple[int, ...]) -> None:
    users, effects = np.random.default_rng(9).normal(0.5, 0.05, 2000), np.array([-0.1, 0, 0.1])
    first = Sample("a", users + effects[:, None], np.ones((3, 2000)), (0, 1, 2))
    second = Sample("b", users + 0.01 + effects[list(order), None], np.ones((3, 2000)), order)
    (found,) = compare([first, second])  # the seeds make equal differences in both methods
    assert (found.low, found.high) == pytest.approx((-0.01, -0.01))
    (by_order,) = compare([first, replace(second, seeds=())])
    assert (by_order.high - by_order.low < 1e-9) == (order == (0, 1, 2))


def test_one_run_says_that_it_knows_users_alone() -> None:
    users = np.random.default_rng(10).normal(0.5, 0.1, 500)
    one, three = of_users("one", users), of_users("three", users + 0.01, users - 0.01, users)
    assert [d.over for d in compare([one, three, replace(three, name="again")])] == ["users", "users", "users and runs"]
    (found,) = compare([replace(one, deterministic=True), three])
    assert found.over == "users and runs" and found.low < 0 < found.high


@pytest.mark.parametrize(
    ("regime", "seeds"), [*((name, 2) for name in coverage.REGIMES), ("runs dominate", 3), ("heavy tails", 3)]
)
def test_few_seeds_hold_the_truth_as_often_as_they_say(regime: str, seeds: int, fast: None) -> None:
    """A fast version of `benchmarks/coverage.py`: of 300 intervals the share has a standard deviation of 0.013."""
    assert 0.95 - 3 * 0.013 <= coverage.coverage(coverage.REGIMES[regime], (seeds, seeds), 300) <= 0.95 + 3 * 0.013


def test_p_values_and_intervals_agree() -> None:
    random = np.random.default_rng(11)
    decided = []
    for number in range(60):
        samples = coverage.simulate(coverage.REGIMES["runs dominate"], (3, 3), random)
        samples[0] = replace(samples[0], numerator=samples[0].numerator + 0.1 * (number % 12))
        (found,) = compare(samples)
        if abs(found.p - 0.05) > 0.002:
            decided.append(found.real)
            assert found.real == (not found.low <= 0 <= found.high)
    assert 10 < sum(decided) < len(decided) - 10


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
