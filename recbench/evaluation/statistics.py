"""Whether one method is better than another: intervals over users and runs, Holm's correction, power.

Users are drawn with replacement, jointly for all methods and runs (paired bootstrap, Efron and Tibshirani 1993, chapter
16). Runs are too few to be drawn: their spread s enters as s / sqrt(S) times Student's t with S - 1 degrees of freedom
(the fiducial sum of two variances of Behrens and Fisher, Annals of Eugenics 1935). A part of s stems from users whose
metric differs from run to run, and would be counted twice. It is taken off the one or the other, by a rule that
`benchmarks/coverage.py` justifies: it shows how often the intervals hold the truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from statistics import NormalDist
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from recbench.errors import UsageError

Array = NDArray[np.float64]

RESAMPLES = 10_000
LEVEL = 0.95
POWER = 0.8
_ANGLES = 200_000
_WEIGHT = 8  # of the noise of users against what runs share
_BLOCK = 1 << 24  # counts of users held at a time
_NORMAL = NormalDist()
_REACH = 1 + _NORMAL.inv_cdf(POWER) / _NORMAL.inv_cdf((1 + LEVEL) / 2)  # half widths of an interval


@dataclass(frozen=True)
class Sample:
    """One method's metric in S runs, as a ratio of sums over the same U users as every other method's.

    A run's value is `numerator.sum() / denominator.sum()`; a mean over users has denominator 1. A user who does not
    count has 0 in both.
    """

    name: str
    numerator: Array  # [S, U]
    denominator: Array  # [S, U]
    seeds: tuple[int, ...] = ()  # of the runs; runs of two methods pair by seed. None: by their order
    deterministic: bool = False  # another seed would change nothing, so that one run tells all

    @property
    def values(self) -> Array:
        """Value of each run [S]."""
        values: Array = self.numerator.sum(1) / self.denominator.sum(1)
        return values

    @property
    def value(self) -> float:
        """Mean over runs."""
        return float(self.values.mean())

    @property
    def knows_runs(self) -> bool:
        """Whether it shows how much runs differ: one run does not."""
        return self.deterministic or len(self.numerator) > 1


@dataclass(frozen=True)
class Difference:
    """What is known of `first - second`."""

    first: str
    second: str
    value: float
    low: float  # interval that holds the difference with probability LEVEL
    high: float
    p: float  # of no difference, two-sided
    corrected: float  # p after Holm's correction over all pairs of the comparison
    detectable: float  # smallest true difference that would be found with probability POWER, uncorrected
    over: Literal["users and runs", "users"]  # what varies in interval and p; users: one of the two has a single run

    @property
    def real(self) -> bool:
        """Whether the corrected p is below 1 - LEVEL."""
        return self.corrected < 1 - LEVEL


def compare(
    samples: Sequence[Sample],
    seed: int = 0,
    resamples: int = RESAMPLES,
    pairs: Sequence[tuple[int, int]] | None = None,
) -> list[Difference]:
    """Compare each method with each later one, or the `pairs` alone, over the same resamples of users, and over runs.

    Where two methods have as many runs, these are paired, by seed if they have seeds in common; else the spread over
    runs of each enters by itself. Intervals are percentiles, and p-values are of the same draws. Raises UsageError for
    fewer than two methods or two users.
    """
    if len(samples) < 2:
        raise UsageError("expected at least two methods to compare")
    if samples[0].numerator.shape[1] < 2:
        raise UsageError("expected at least two users that the metric counts; there is nothing to draw from")
    resampled = _resampled(samples, seed, resamples)
    return with_holm(
        _difference(samples[a], samples[b], resampled[a], resampled[b], seed)
        for a, b in (combinations(range(len(samples)), 2) if pairs is None else pairs)
    )


def first_with_others(count: int) -> list[tuple[int, int]]:
    """Return the pairs that compare the first of so many methods with each of the others."""
    return [(0, other) for other in range(1, count)]


def with_holm(differences: Iterable[Difference]) -> list[Difference]:
    """Return differences, p corrected for their number."""
    differences = list(differences)
    corrected = holm([difference.p for difference in differences])
    return [replace(difference, corrected=p) for difference, p in zip(differences, corrected, strict=True)]


def interval(sample: Sample, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Return the interval that holds the metric of one method with probability LEVEL, over users and runs.

    Over users alone for a method with one run.
    """
    values = _resampled([sample], seed, resamples)[0]
    random = np.random.default_rng([seed, crc32(sample.name.encode())])
    low, high = np.quantile(_draws([(values, sample.values)], random), _ends())
    return float(low), float(high)


def holm(p: Sequence[float]) -> list[float]:
    """Return the p-values corrected for their number: Holm, Scandinavian Journal of Statistics 1979."""
    order = np.argsort(p)
    factors = np.arange(len(p), 0, -1)
    stepped = np.maximum.accumulate(np.asarray(p)[order] * factors).clip(max=1)
    corrected = np.empty(len(p))
    corrected[order] = stepped
    return [float(value) for value in corrected]


def _ends() -> list[float]:
    return [(1 - LEVEL) / 2, (1 + LEVEL) / 2]


def _difference(first: Sample, second: Sample, of_first: Array, of_second: Array, seed: int) -> Difference:
    """Return the difference of two methods; `of_first` and `of_second` are values of their runs [resamples, S]."""
    random = np.random.default_rng([seed, crc32(first.name.encode()), crc32(second.name.encode())])
    if of_first.shape == of_second.shape:
        a, b = _by_seed(first, second), _by_seed(second, first)
        draws = _draws([(of_first[:, a] - of_second[:, b], first.values[a] - second.values[b])], random)
    else:
        draws = _draws([(of_first, first.values), (-of_second, -second.values)], random)
    low, high = np.quantile(draws, _ends())
    tail = min((draws <= 0).sum(), (draws >= 0).sum())
    return Difference(
        first=first.name,
        second=second.name,
        value=first.value - second.value,
        low=float(low),
        high=float(high),
        p=min(1.0, 2 * (float(tail) + 1) / (len(draws) + 1)),
        corrected=1.0,
        detectable=_REACH * float(high - low) / 2,
        over="users and runs" if first.knows_runs and second.knows_runs else "users",
    )


def _by_seed(sample: Sample, other: Sample) -> list[int]:
    """Return the order of a method's runs in which they pair with those of another: seeds in common come first."""
    seeds = sample.seeds or tuple(range(len(sample.numerator)))
    return sorted(range(len(seeds)), key=lambda run: (seeds[run] not in (other.seeds or seeds), seeds[run]))


def _draws(groups: Sequence[tuple[Array, Array]], random: np.random.Generator) -> Array:
    """Return draws [resamples] of the sum of the means of groups of runs, over users and runs.

    A group is the values of S runs in every resample of users [resamples, S], and those observed [S].
    """
    by_users: Array = np.sum([values.mean(1) for values, _ in groups], axis=0)
    observed = sum(float(group.mean()) for _, group in groups)
    noise = [_spread_of_mean(values - group) for values, group in groups]  # of users that differ from run to run
    variance = float(by_users.var())
    shared = max(0.0, variance - sum(noise))  # of users that are alike in all runs
    off_runs = shared / (shared + _WEIGHT * sum(noise)) if sum(noise) else 0.0
    scale = np.sqrt((shared + off_runs * sum(noise)) / variance) if variance else 1.0
    draws: Array = observed + scale * (by_users - observed)
    for (values, group), of_noise in zip(groups, noise, strict=True):
        spread = np.sqrt(max(0.0, _spread_of_mean(group[None]) - off_runs * of_noise))
        if spread:
            draws += spread * random.permutation(_student(len(group) - 1, len(values)))
    return draws


def _spread_of_mean(values: Array) -> float:
    """Return the variance that runs show of their mean, averaged over resamples [resamples, S]; 0 for one run."""
    runs = values.shape[1]
    return float(values.var(1, ddof=1).mean()) / runs if runs > 1 else 0.0


@cache
def _student(freedom: int, count: int) -> Array:
    """Return the quantiles of Student's t in the middle of as many parts of equal probability, ascending.

    The tangent of an angle whose density is a power of its cosine has this distribution, up to a factor. Random draws
    would do, but for two runs (one degree of freedom) their far tails would be a matter of luck.
    """
    angle = (np.arange(_ANGLES) + 0.5) / _ANGLES * np.pi - np.pi / 2
    probability = np.cumsum(np.cos(angle) ** (freedom - 1))
    middle = (np.arange(count) + 0.5) / count
    angles = np.interp(middle, (probability - np.cos(angle) ** (freedom - 1) / 2) / probability[-1], angle)
    quantiles: Array = np.sqrt(freedom) * np.tan(angles)
    return quantiles


def _resampled(samples: Sequence[Sample], seed: int, resamples: int) -> list[Array]:
    """Return the values of each method's runs [resamples, S] over the same draws of users."""
    sums = np.concatenate([part for sample in samples for part in (sample.numerator, sample.denominator)]).T
    values: list[list[Array]] = [[] for _ in samples]
    for count in _counts(np.random.default_rng(seed), sums.shape[0], resamples):
        totals = count @ sums
        start = 0
        for sample, blocks in zip(samples, values, strict=True):
            runs = len(sample.numerator)
            blocks.append(totals[:, start : start + runs] / totals[:, start + runs : start + 2 * runs])
            start += 2 * runs
    return [np.concatenate(blocks) for blocks in values]


def _counts(random: np.random.Generator, users: int, resamples: int) -> Iterator[Array]:
    """Yield, in blocks of resamples, how often each user was drawn."""
    size = max(1, _BLOCK // users)
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = random.integers(users, size=(rows, users)) + users * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * users).reshape(rows, users).astype(np.float64)
