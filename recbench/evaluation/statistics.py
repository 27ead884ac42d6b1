"""Whether one method is better than another: paired bootstrap over users and runs, Holm's correction, power."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from recbench.errors import UsageError

Array = NDArray[np.float64]

RESAMPLES = 10_000
LEVEL = 0.95
POWER = 0.8
_BLOCK = 1 << 24  # counts held at a time


@dataclass(frozen=True)
class Sample:
    """One method's metric in S runs, as a ratio of sums over the same U users as every other method's.

    A run's value is `numerator.sum() / denominator.sum()`; a mean over users has denominator 1. A user who does not
    count has 0 in both.
    """

    name: str
    numerator: Array  # [S, U]
    denominator: Array  # [S, U]

    @property
    def value(self) -> float:
        """Mean over runs."""
        return float((self.numerator.sum(1) / self.denominator.sum(1)).mean())


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

    @property
    def real(self) -> bool:
        """Whether the corrected p is below 1 - LEVEL."""
        return self.corrected < 1 - LEVEL


def compare(
    samples: Sequence[Sample], seed: int = 0, resamples: int = RESAMPLES, against_first: bool = False
) -> list[Difference]:
    """Compare each method with each later one, over the same resamples of users, and of runs where there are several.

    Users are drawn with replacement, jointly for all methods (paired bootstrap, Efron and Tibshirani 1993, chapter
    16); runs are drawn for each method by itself, their deviations from the mean widened by sqrt(S / (S - 1)), since S
    runs show too little of the spread (Davison and Hinkley 1997, section 2.3). Intervals are percentiles. With
    `against_first`, only the first is compared with the others. Raises UsageError for fewer than two methods or two
    users.
    """
    if len(samples) < 2:
        raise UsageError("expected at least two methods to compare")
    if samples[0].numerator.shape[1] < 2:
        raise UsageError("expected at least two users that the metric counts; there is nothing to draw from")
    drawn = _resampled(samples, seed, resamples)
    found = []
    pairs = list(combinations(range(len(samples)), 2))
    for first, second in pairs[: len(samples) - 1] if against_first else pairs:
        difference = drawn[first] - drawn[second]
        low, high = np.quantile(difference, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        tail = min((difference <= 0).sum(), (difference >= 0).sum())
        normal = NormalDist()
        reach = normal.inv_cdf((1 + LEVEL) / 2) + normal.inv_cdf(POWER)
        found.append(
            Difference(
                first=samples[first].name,
                second=samples[second].name,
                value=samples[first].value - samples[second].value,
                low=float(low),
                high=float(high),
                p=min(1.0, 2 * (float(tail) + 1) / (resamples + 1)),
                corrected=1.0,
                detectable=reach * float(difference.std()),
            )
        )
    corrected = holm([difference.p for difference in found])
    return [_with(difference, p) for difference, p in zip(found, corrected, strict=True)]


def interval(sample: Sample, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Return the interval that holds the metric of one method with probability LEVEL, over users and runs."""
    drawn = _resampled([sample], seed, resamples)[0]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def holm(p: Sequence[float]) -> list[float]:
    """Return the p-values corrected for their number: Holm, Scandinavian Journal of Statistics 1979."""
    order = np.argsort(p)
    factors = np.arange(len(p), 0, -1)
    stepped = np.maximum.accumulate(np.asarray(p)[order] * factors).clip(max=1)
    corrected = np.empty(len(p))
    corrected[order] = stepped
    return [float(value) for value in corrected]


def _with(difference: Difference, corrected: float) -> Difference:
    return Difference(**{**vars(difference), "corrected": corrected})


def _resampled(samples: Sequence[Sample], seed: int, resamples: int) -> list[Array]:
    """Return each method's value in every resample, [resamples]; who else is compared does not change it."""
    of_runs = [np.random.default_rng([seed, crc32(sample.name.encode())]) for sample in samples]
    sums = np.concatenate([part for sample in samples for part in (sample.numerator, sample.denominator)]).T
    values: list[list[Array]] = [[] for _ in samples]
    for count in _counts(np.random.default_rng(seed), sums.shape[0], resamples):
        totals = count @ sums
        start = 0
        for sample, kept, drawing in zip(samples, values, of_runs, strict=True):
            runs = len(sample.numerator)
            top, bottom = totals[:, start : start + runs], totals[:, start + runs : start + 2 * runs]
            start += 2 * runs
            kept.append(_over_runs(top / bottom, drawing))
    return [np.concatenate(kept) for kept in values]


def _counts(random: np.random.Generator, users: int, resamples: int) -> Iterator[Array]:
    """Yield, in blocks of resamples, how often each user was drawn."""
    size = max(1, _BLOCK // users)
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = random.integers(users, size=(rows, users)) + users * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * users).reshape(rows, users).astype(np.float64)


def _over_runs(values: Array, random: np.random.Generator) -> Array:
    """Return the mean over runs [resamples] of values [resamples, S], each over runs of its own."""
    runs = values.shape[1]
    mean: Array = values.mean(1)
    if runs == 1:
        return mean
    chosen = random.integers(runs, size=values.shape)
    of_chosen = np.take_along_axis(values, chosen, 1).mean(1)
    widened: Array = mean + np.sqrt(runs / (runs - 1)) * (of_chosen - mean)
    return widened
