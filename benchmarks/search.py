"""Seconds and peak memory of a full-catalogue Recall@20: 29,858 users, 40,981 items, 64 dimensions."""

from __future__ import annotations

import time

import torch

from recbench.data.dataset import Positives
from recbench.evaluation.exact_search import search_exactly
from recbench.memory import peak

USERS, ITEMS, DIM, K, SEEN = 29_858, 40_981, 64, 20, 27


def main() -> None:
    """Print the time of an exact search with seen items filtered, beside the product of matrices alone."""
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(USERS, DIM, generator=generator)
    item = torch.randn(ITEMS, DIM, generator=generator)
    user = torch.randint(USERS, (USERS * SEEN,), generator=generator)
    seen = Positives.from_pairs(user, torch.randint(ITEMS, user.shape, generator=generator), USERS, ITEMS)
    started = time.perf_counter()
    search_exactly(query, item, K, seen)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    for block in query.split(1024):
        block @ item.T
    product = time.perf_counter() - started
    print(f"search, {K} of {ITEMS:,} for {USERS:,} users: {seconds:.1f} s, peak {peak() / 2**30:.2f} GiB")
    print(f"matrix product alone (bound): {product:.1f} s, ratio {seconds / product:.1f}")


if __name__ == "__main__":
    main()
