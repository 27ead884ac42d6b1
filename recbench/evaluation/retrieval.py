"""Search of the whole catalogue for the items with the largest inner product, through faiss."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import faiss
import torch
from torch import Tensor

from recbench.data.dataset import Positives
from recbench.errors import TrainingError
from recbench.evaluation.candidates import Ranking, exhaustive, keep_first
from recbench.evaluation.pairs import contains, restrict

IndexKind = Literal["flat", "hnsw", "ivf"]

_DEEPEST = 2048  # users who need more candidates than this (many seen items) are searched without an index
_GATHER = 1 << 23  # numbers in a block of gathered item vectors: 64 MiB of float64
_LINKS = 32  # of an item in the HNSW graph
_WIDTH = 128  # of the search of the HNSW graph, at least
_FEWEST_PROBED = 8
_PROBED = 0.05  # share of the cells that an IVF search looks into


@dataclass(frozen=True)
class SearchCost:
    """What an approximate index costs and loses against the exact search."""

    found: float  # share of the exact first k items that it finds
    build_seconds: float
    seconds: float  # of the approximate search, seen items and order included
    flat_seconds: float  # of the exact search, likewise


def search(
    query: Tensor, item: Tensor, k: int, seen: Positives, index: IndexKind = "flat", built: Any = None
) -> Ranking:
    """Return the first k items, by inner product, of each query [U, D] among item [I, D], without those seen.

    `seen` holds the pairs to leave out, by position in `query`. The order is by the product in float64
    descending, then item row ascending. `flat` is exact, also at the cut-off, whatever the number of threads;
    `hnsw` and `ivf` may miss items. `built` is the index, if `build` made it already. Works on the CPU,
    wherever the vectors are. Raises TrainingError if a vector is not finite.
    """
    query, item = _prepared(query), _prepared(item)
    k_possible = min(k, len(item))
    built = built or build(item, index)
    result = Ranking(torch.full((len(query), k), -1), torch.full((len(query), k), -torch.inf, dtype=torch.double))
    doubtful = []
    depth = _depth(k_possible + 1 + seen.start.diff(), len(item))
    for size in torch.unique(depth).tolist():
        group = (depth == size).nonzero()[:, 0]
        if size > _DEEPEST:
            doubtful.append(group)
            continue
        for user in group.split(max(1, _GATHER // (size * query.shape[1]))):
            found, reach = _candidates(built, query[user], item, size, restrict(seen, user))
            first = keep_first(found.item, found.score, k)
            result.item[user], result.score[user] = first
            if index == "flat" and size < len(item):
                doubtful.append(user[first.score[:, k_possible - 1] <= reach])
    user = torch.cat([torch.empty(0, dtype=torch.long), *doubtful])
    if len(user):
        result.item[user], result.score[user] = _without_index(query[user], item, k, restrict(seen, user))
    return result


def compare(query: Tensor, item: Tensor, k: int, seen: Positives, index: IndexKind) -> tuple[Ranking, SearchCost]:
    """Search with an approximate index and measure it against the exact search."""
    item = _prepared(item)
    started = time.perf_counter()
    built = build(item, index)
    ready = time.perf_counter()
    ranking = search(query, item, k, seen, index, built)
    done = time.perf_counter()
    exact = search(query, item, k, seen)
    flat_seconds = time.perf_counter() - done
    user = torch.arange(len(query)).unsqueeze(1).expand_as(exact.item)
    real = exact.item >= 0
    pairs = Positives.of(user[real], exact.item[real], len(query), len(item))
    found = contains(pairs, user, ranking.item, len(item)).sum().double() / real.sum()
    return ranking, SearchCost(float(found), ready - started, done - ready, flat_seconds)


def build(item: Tensor, kind: IndexKind) -> Any:
    """Build the faiss index of item [I, D], float32 on the CPU."""
    count, dim = item.shape
    index: Any
    if kind == "flat":
        index = faiss.IndexFlatIP(dim)
    elif kind == "hnsw":
        index = faiss.IndexHNSWFlat(dim, _LINKS, faiss.METRIC_INNER_PRODUCT)
    else:
        cells = max(1, min(count // 4, round(4 * math.sqrt(count))))
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT)
        index.cp.min_points_per_centroid = 1  # no warning on stderr about small catalogues
        index.nprobe = min(cells, max(_FEWEST_PROBED, round(_PROBED * cells)))
    with _one_thread(kind == "hnsw"):
        index.train(item.numpy())
        index.add(item.numpy())
    return index


def _candidates(index: Any, query: Tensor, item: Tensor, size: int, seen: Positives) -> tuple[Ranking, Tensor]:
    """The `size` best unseen candidates of each query, scored in float64 (seen: -inf), and the score [u] that
    nothing else can exceed.

    faiss adds float32 products in an order that depends on the place of the item and the number of queries;
    hence the second scoring, and the bound on the error of the first.
    """
    if isinstance(index, faiss.IndexHNSW):
        index.hnsw.efSearch = max(_WIDTH, 2 * size)
    score, found = (torch.from_numpy(array) for array in index.search(query.numpy(), size))
    exact = (query.double().unsqueeze(1) * item[found].double()).sum(2)
    user = torch.arange(len(query)).unsqueeze(1)
    removed = contains(seen, user, found, len(item)) | (found < 0)
    error = query.shape[1] * 2.0**-23 * query.norm(dim=1).double() * item.norm(dim=1).max()
    return Ranking(found, exact.masked_fill(removed, -torch.inf)), score[:, -1] + error


def _without_index(query: Tensor, item: Tensor, k: int, seen: Positives) -> Ranking:
    """Rank every item; equal vectors share one product, so that they tie exactly."""
    distinct, number = torch.unique(item, dim=0, return_inverse=True)
    vectors = distinct.double().T
    return exhaustive(
        lambda user: (query[user].double() @ vectors)[:, number],
        torch.arange(len(query)),
        len(item),
        k,
        seen,
    )


def _depth(needed: Tensor, items: int) -> Tensor:
    """Candidates to search for each user: a power of two, so that few searches serve all users."""
    power = torch.ceil(torch.log2(needed.double())).long()
    return (2**power).clamp(max=items)


def _prepared(vectors: Tensor) -> Tensor:
    vectors = vectors.detach().float().cpu().contiguous()
    if not vectors.isfinite().all():
        raise TrainingError("a user or item vector is not finite; the training diverged, so lower the learning rate")
    return vectors


@contextmanager
def _one_thread(wanted: bool) -> Iterator[None]:
    """Run faiss on one thread: the graph that several build differs from run to run."""
    threads = faiss.omp_get_max_threads()
    if wanted:
        faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
