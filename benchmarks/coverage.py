"""How often the intervals of `recbench compare` hold the truth, where it is known: nominal 95 %.

Two methods are simulated whose true difference is 0. A user's metric in a run is a value of the user that both methods
share, a value that differs between the methods, an effect of the run, and noise. `python -m benchmarks.coverage` prints
the share of intervals that hold 0, by what dominates and by seeds of each method.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial

import numpy as np

from recbench.evaluation.statistics import Array, Sample, compare

USERS = 200
RESAMPLES = 1000
REPEATS = 1000
SEEDS = ((1, 1), (2, 2), (3, 3), (5, 5), (10, 10), (2, 5))


@dataclass(frozen=True)
class Regime:
    """Standard deviations of what makes up a metric; those of users and noise are of one user's value."""

    users: float  # of the difference of two methods
    runs: float  # of a run's mean
    noise: float  # of one user in one run
    heavy: bool = False  # users and noise log-normal (skewness 6), runs by Student's t with 3 degrees of freedom
    paired: bool = False  # runs of equal seed share three quarters of the variance of their effect


REGIMES = {
    "users dominate": Regime(users=1.0, runs=0.0, noise=0.3),
    "runs dominate": Regime(users=0.3, runs=0.2, noise=0.3),
    "noise dominates": Regime(users=0.2, runs=0.0, noise=1.0),
    "users and runs alike": Regime(users=1.0, runs=0.07, noise=0.5),
    "heavy tails": Regime(users=1.0, runs=0.07, noise=0.5, heavy=True),
    "seeds pair": Regime(users=0.3, runs=0.2, noise=0.3, paired=True),
}


def _users(regime: Regime, random: np.random.Generator, size: tuple[int, ...]) -> Array:
    if not regime.heavy:
        return random.standard_normal(size)
    values: Array = (random.lognormal(0, 1, size) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)
    return values


def _runs(regime: Regime, random: np.random.Generator, runs: int) -> Array:
    effects: Array = random.standard_t(3, runs) / np.sqrt(3) if regime.heavy else random.standard_normal(runs)
    return effects


def simulate(regime: Regime, seeds: tuple[int, int], random: np.random.Generator) -> list[Sample]:
    """Return two methods of equal true mean in so many runs each."""
    common, shared = random.standard_normal(USERS), _runs(regime, random, max(seeds))
    samples = []
    for name, runs in zip("ab", seeds, strict=True):
        effect = _runs(regime, random, runs)
        if regime.paired:
            effect = np.sqrt(0.75) * shared[:runs] + 0.5 * effect
        own = regime.users / np.sqrt(2) * _users(regime, random, (USERS,))
        noise = regime.noise * _users(regime, random, (runs, USERS))
        values = common + own + regime.runs * effect[:, None] + noise
        samples.append(Sample(name, values, np.ones_like(values), tuple(range(runs))))
    return samples


def coverage(regime: Regime, seeds: tuple[int, int], repeats: int = REPEATS, seed: int = 0) -> float:
    """Return the share of intervals that hold the true difference."""
    random = np.random.default_rng(seed)
    held = 0
    for number in range(repeats):
        (difference,) = compare(simulate(regime, seeds, random), seed=number, resamples=RESAMPLES)
        held += difference.low <= 0 <= difference.high
    return held / repeats


def main(repeats: int) -> None:
    """Print the table."""
    print(f"share of 95 % intervals that hold the truth, {repeats:,} simulations each, {USERS} users")
    print(f"{'':22}" + "".join(f"{f'{a} seeds' if a == b else f'{a} and {b}':>10}" for a, b in SEEDS))
    for name, regime in REGIMES.items():
        held = map(partial(coverage, regime, repeats=repeats), SEEDS)
        print(f"{name:22}" + "".join(f"{share:10.1%}" for share in held), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS)
