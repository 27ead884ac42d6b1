"""Whether methods differ over several datasets: mean ranks, Friedman's test and the critical difference of Nemenyi.

Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 2006,
https://jmlr.org/papers/v7/demsar06a.html, sections 3.2.2 and 3.2.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from recbench.evaluation.statistics import LEVEL

ENOUGH = 6  # datasets: with fewer, a sign test of two methods cannot reach 5 % even where one always wins (2 / 2^5)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RankTest:
    """Friedman's test on N datasets, and how far apart mean ranks have to be."""

    chi_square: float
    f: float  # the less conservative statistic of Iman and Davenport, Communications in Statistics 1980
    p: float  # of `f`: that all methods are alike
    critical: float  # the difference of two mean ranks from which on two methods differ, at 5 % for all pairs together

    @property
    def real(self) -> bool:
        """Whether some methods differ at all; only then are pairs looked at."""
        return self.p < 1 - LEVEL


def ranks(losses: Array) -> Array:
    """Return the ranks [N, K] of K methods on N datasets, 1 for the lowest loss; ties share the mean of their ranks."""
    below = (losses[:, None, :] < losses[:, :, None]).sum(2)
    ties = (losses[:, None, :] == losses[:, :, None]).sum(2)
    return np.asarray(below + (ties + 1) / 2, dtype=np.float64)


def rank_test(ranked: Array) -> RankTest | None:
    """Return the test of ranks [N, K]; None for fewer than ENOUGH datasets or two methods, and without SciPy."""
    datasets, methods = ranked.shape
    if datasets < ENOUGH or methods < 2 or find_spec("scipy") is None:
        return None
    from scipy.stats import f as f_distribution
    from scipy.stats import studentized_range

    scale = 12 * datasets / (methods * (methods + 1))
    chi_square = scale * float(((ranked.mean(0) - (methods + 1) / 2) ** 2).sum())
    rest = datasets * (methods - 1) - chi_square
    f = (datasets - 1) * chi_square / rest if rest > 1e-9 else np.inf
    p = float(f_distribution.sf(f, methods - 1, (methods - 1) * (datasets - 1)))
    q = float(studentized_range.ppf(LEVEL, methods, np.inf)) / 2**0.5
    return RankTest(chi_square, float(f), p, q * (methods * (methods + 1) / (6 * datasets)) ** 0.5)


def cliques(mean_ranks: Sequence[float], critical: float) -> list[tuple[int, int]]:
    """Return the longest runs (first, last) of two or more ascending mean ranks that lie within `critical`."""
    runs: list[tuple[int, int]] = []
    for first, rank in enumerate(mean_ranks):
        last = max(place for place, other in enumerate(mean_ranks) if other - rank < critical)
        if last > first and (not runs or last > runs[-1][1]):
            runs.append((first, last))
    return runs
