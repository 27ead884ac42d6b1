"""Search of the whole catalogue for the items with the largest inner product, through faiss."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from recbench.data.dataset import Positives
from recbench.errors import TrainingError
from recbench.evaluation.candidates import Ranking, exhaustive, keep_first
from recbench.evaluation.pairs import contains, restrict

IndexKind = Literal["flat", "hnsw", "ivf"]

_DEEPEST = 2048  # candidates; users who need more of them (many seen items) are searched without an index
_GATHERED = 1 << 23  # numbers in a block of gathered item vectors: 64 MiB of float64
_HNSW_LINKS = 32  # of an item
_MIN_EF_SEARCH = 128  # width of the search of the HNSW graph
_MIN_PROBES = 8  # cells that an IVF search looks into
_PROBE_SHARE = 0.05  # of all cells


@dataclass(frozen=True)
class SearchCost:
    """What an approximate index costs and loses against the exact search."""

    recall: float  # share of the exact first k items that it finds
    build_seconds: float
    seconds: float  # of the approximate search, seen items and order included
    flat_seconds: float  # of the exact search, likewise


def search(
    query: Tensor, item: Tensor, k: int, seen: Positives, index: IndexKind = "flat", prebuilt: Any = None
) -> Ranking:
    """Return the first k items, by inner product, of each query [U, D] among item [I, D], without those seen.

    `seen` holds the pairs to leave out, by position in `query`. The order is by the product in float64
    descending, then item row ascending. `flat` is exact, also at the cut-off, whatever the number of threads;
    `hnsw` and `ivf` may miss items. `prebuilt` is the index, if `build` made it already. Works on the CPU,
    wherever the vectors are. Raises TrainingError if a vector is not finite.
    """
    query, item = _prepared(query), _prepared(item)
    k_possible = min(k, len(item))
    faiss_index = prebuilt or build(item, index)
    result = Ranking(torch.full((len(query), k), -1), torch.full((len(query), k), -torch.inf, dtype=torch.double))
    doubtful = []
    depth = _depth(k_possible + 1 + seen.start.diff(), len(item))
    for size in torch.unique(depth).tolist():
        group = (depth == size).nonzero()[:, 0]
        if size > _DEEPEST:
            doubtful.append(group)
            continue
        for user in group.split(max(1, _GATHERED // (size * query.shape[1]))):
            candidates, bound = _candidates(faiss_index, query[user], item, size, restrict(seen, user))
            first = keep_first(candidates.item, candidates.score, k)
            result.item[user], result.score[user] = first
            if index == "flat" and size < len(item):
                doubtful.append(user[first.score[:, k_possible - 1] <= bound])
    user = torch.cat([torch.empty(0, dtype=torch.long), *doubtful])
    if len(user):
        result.item[user], result.score[user] = _without_index(query[user], item, k, restrict(seen, user))
    return result


def search_and_measure(
    query: Tensor, item: Tensor, k: int, seen: Positives, index: IndexKind
) -> tuple[Ranking, SearchCost]:
    """Search with an approximate index and measure it against the exact search."""
    item = _prepared(item)
    started = time.perf_counter()
    faiss_index = build(item, index)
    ready = time.perf_counter()
    ranking = search(query, item, k, seen, index, faiss_index)
    done = time.perf_counter()
    exact = search(query, item, k, seen)
    flat_seconds = time.perf_counter() - done
    user = torch.arange(len(query)).unsqueeze(1).expand_as(exact.item)
    listed = exact.item >= 0
    pairs = Positives.from_pairs(user[listed], exact.item[listed], len(query), len(item))
    recall = contains(pairs, user, ranking.item, len(item)).sum().double() / listed.sum()
    return ranking, SearchCost(float(recall), ready - started, done - ready, flat_seconds)


def build(item: Tensor, kind: IndexKind) -> Any:
    """Build the faiss index of item [I, D], float32 on the CPU."""
    import faiss

    count, dim = item.shape
    index: Any
    if kind == "flat":
        index = faiss.IndexFlatIP(dim)
    elif kind == "hnsw":
        index = faiss.IndexHNSWFlat(dim, _HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
    else:
        cells = max(1, min(count // 4, round(4 * math.sqrt(count))))
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT)
        index.cp.min_points_per_centroid = 1  # no warning on stderr about small catalogues
        index.nprobe = min(cells, max(_MIN_PROBES, round(_PROBE_SHARE * cells)))
    with _one_thread(kind == "hnsw"):
        index.train(item.numpy())
        index.add(item.numpy())
    return index


def _candidates(index: Any, query: Tensor, item: Tensor, size: int, seen: Positives) -> tuple[Ranking, Tensor]:
    """Return the `size` best candidates of each query, scored in float64 (seen: -inf), and the bound [u] on the score
    of all other items.

    faiss adds float32 products in an order that depends on the place of the item and the number of queries;
    hence the second scoring, and the bound on the error of the first.
    """
    if hasattr(index, "hnsw"):
        index.hnsw.efSearch = max(_MIN_EF_SEARCH, 2 * size)
    score, first = (torch.from_numpy(array) for array in index.search(query.numpy(), size))
    exact = (query.double().unsqueeze(1) * item[first].double()).sum(2)
    user = torch.arange(len(query)).unsqueeze(1)
    removed = contains(seen, user, first, len(item)) | (first < 0)
    error = query.shape[1] * 2.0**-23 * query.norm(dim=1).double() * item.norm(dim=1).max()
    return Ranking(first, exact.masked_fill(removed, -torch.inf)), score[:, -1] + error


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
def _one_thread(single: bool) -> Iterator[None]:
    """Run faiss on one thread: the graph that several build differs from run to run."""
    import faiss

    threads = faiss.omp_get_max_threads()
    if single:
        faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
