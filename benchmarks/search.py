"""Seconds and peak memory of a full-catalogue Recall@20: 29,858 users, 40,981 items, 64 dimensions."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from recbench.data.dataset import Positives
from recbench.evaluation.exact_search import search_exactly
from recbench.memory import peak

USERS, ITEMS, DIM, K, SEEN = 29_858, 40_981, 64, 20, 27


def cost(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall time and the processor time of some work."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def multiply(query: Tensor, item: Tensor) -> None:
    """Multiply all queries with all items, and keep nothing."""
    for block in query.split(1024):
        block @ item.T


def main() -> None:
    """Print the time of an exact search with seen items filtered, beside the product of matrices alone."""
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(USERS, DIM, generator=generator)
    item = torch.randn(ITEMS, DIM, generator=generator)
    user = torch.randint(USERS, (USERS * SEEN,), generator=generator)
    seen = Positives.from_pairs(user, torch.randint(ITEMS, user.shape, generator=generator), USERS, ITEMS)
    clock, processor = cost(lambda: search_exactly(query, item, K, seen))
    bound = cost(lambda: multiply(query, item))
    print(f"search, {K} of {ITEMS:,} for {USERS:,} users: {clock:.1f} s, peak {peak() / 2**30:.2f} GiB")
    print(f"matrix product alone (bound): {bound[0]:.1f} s, ratio {clock / bound[0]:.1f}")
    print(f"of processor time: {processor:.1f} s and {bound[1]:.1f} s, ratio {processor / bound[1]:.1f}")


if __name__ == "__main__":
    main()
