"""AUC and GAUC against scikit-learn: same numbers, and how many times faster. Run `python -m benchmarks.gauc`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from recbench.evaluation.metrics.rows import GAUC
from recbench.evaluation.ranking import auc

ROWS = 500_000
USERS = 20_000
REPEATS = 5


def reference_gauc(score: NDArray[np.float32], label: NDArray[np.int64], user: NDArray[np.int64]) -> float:
    """Return the mean of scikit-learn's AUC over users with both classes, weighted by their rows."""
    order = user.argsort(kind="stable")
    score, label, user = score[order], label[order], user[order]
    starts = np.flatnonzero(np.diff(user, prepend=-1))
    areas, weights = [], []
    for start, end in zip(starts, [*starts[1:], len(user)], strict=True):
        if 0 < label[start:end].sum() < end - start:
            areas.append(roc_auc_score(label[start:end], score[start:end]))
            weights.append(end - start)
    return float(np.average(areas, weights=weights))


def measure(function: Callable[[], float], repeats: int) -> tuple[float, float]:
    """Return the result and the least seconds of some runs."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - started)
    return result, min(seconds)


def main(rows: int = ROWS, users: int = USERS) -> None:
    """Print one table, on one thread as scikit-learn uses; fails if the numbers differ by more than 1e-6."""
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    user = generator.integers(0, users, rows)
    label = (generator.random(rows) < 0.1).astype(np.int64)
    score = (generator.normal(size=rows) + 0.5 * label).round(2).astype(np.float32)  # two decimals, so that ties exist
    tensors = torch.from_numpy(score), torch.from_numpy(label), torch.from_numpy(user)

    cases: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {
        "auc": (lambda: auc(*tensors[:2]), lambda: float(roc_auc_score(label, score))),
        "gauc": (lambda: GAUC().value(*tensors).value, lambda: reference_gauc(score, label, user)),
    }
    print(f"{rows:,} rows, {users:,} users, one thread")
    print(f"{'metric':8}{'recbench':>12}{'scikit-learn':>15}{'ratio':>9}{'difference':>13}")
    for name, (ours, theirs) in cases.items():
        value, seconds = measure(ours, REPEATS)
        reference, reference_seconds = measure(theirs, 1 if name == "gauc" else REPEATS)
        difference = abs(value - reference)
        ratio = f"{reference_seconds / seconds:.1f}x"
        print(f"{name:8}{seconds:>10.3f} s{reference_seconds:>13.3f} s{ratio:>9}{difference:>13.1e}")
        if difference > 1e-6:
            raise SystemExit(f"{name}: {value} differs from scikit-learn's {reference}")


if __name__ == "__main__":
    main()
