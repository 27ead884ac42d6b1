"""Seconds of an epoch of `softmax` on matrix factorisation, by the negatives per positive on the shared slate.

The log has 100,000 positive rows of 610 users and 6,479 items, batch 1024.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.steps import recbench_step, untrained
from recbench.data.dataset import Dataset, Log, Table
from recbench.data.manifest import Column
from recbench.training.allocator import keep_freed_memory
from recbench.training.schedule import Schedule

USERS, ITEMS, ROWS = 610, 6479, 100_000
STEPS, ROUNDS = 10, 3


def small_log() -> Dataset:
    """A random log in which a few items have most of the rows."""
    generator = torch.Generator().manual_seed(0)

    def table(name: str, count: int) -> Table:
        return Table((Column(name, "categorical", count + 1, 1),), torch.arange(1, count + 1).int()[:, None], count)

    def popular(size: int) -> Tensor:
        return (torch.rand(ROWS, generator=generator) ** 3 * size).int()

    log = Log(popular(USERS), popular(ITEMS), torch.ones(ROWS, 1, dtype=torch.uint8))
    return Dataset(
        name="100,000 ratings",
        split="user",
        fingerprint="0" * 64,
        folder=Path(),
        feedback=("like",),
        users=table("user_id", USERS),
        items=table("movie_id", ITEMS),
        train=log,
        valid=log,
    )


def main() -> None:
    """Print the best seconds of a step for each number of negatives, in turn, and what an epoch of them takes."""
    keep_freed_memory()
    data, schedule = small_log(), Schedule()
    best: dict[int, tuple[float, float]] = {}
    for _ in range(ROUNDS):
        for negatives in (10, 1):
            model = untrained(data, "softmax", "mf", [f"loss.negatives={negatives}"], schedule)
            step = recbench_step(data, model, schedule.batch_size)
            for _ in range(STEPS):
                clock, processor = time.perf_counter(), time.process_time()
                step()
                taken = time.perf_counter() - clock, time.process_time() - processor
                before = best.get(negatives, taken)
                best[negatives] = min(before[0], taken[0]), min(before[1], taken[1])
    steps = -(-ROWS // schedule.batch_size)
    print(f"softmax x mf, {ROWS:,} rows, {ITEMS:,} items, {torch.get_num_threads()} threads; an epoch of best steps:")
    for negatives, (clock, processor) in best.items():
        print(
            f"  {negatives:>2} a positive: {clock * steps:.1f} s by the clock, {processor * steps:.1f} s of processors"
        )


if __name__ == "__main__":
    main()
