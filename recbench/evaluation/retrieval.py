"""Search of the whole catalogue for the items with the largest inner product by an approximate index of faiss."""

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
from recbench.evaluation.exact_search import prepared, search_exactly
from recbench.evaluation.first_items import Ranking, keep_first
from recbench.evaluation.pairs import contains, restrict

ApproximateKind = Literal["hnsw", "ivf"]
IndexKind = Literal["flat"] | ApproximateKind  # flat: exact, by comparison with every item

_DEEPEST = 2048  # candidates; users who need more of them (many seen items) are searched without the index
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


def search_and_measure(
    query: Tensor, item: Tensor, k: int, seen: Positives, index: ApproximateKind
) -> tuple[Ranking, SearchCost]:
    """Search with an approximate index and measure it against `search_exactly`, whose arguments these are.

    The index works on the CPU, wherever the vectors are; the ranking is where they are.
    """
    query, item = prepared(query), prepared(item)
    started = time.perf_counter()
    faiss_index = build(item.cpu(), index)
    ready = time.perf_counter()
    ranking = _search(faiss_index, query.cpu(), item.cpu(), k, seen.to("cpu"))
    done = time.perf_counter()
    exact = Ranking(*(part.cpu() for part in search_exactly(query, item, k, seen)))
    flat_seconds = time.perf_counter() - done
    user = torch.arange(len(query)).unsqueeze(1).expand_as(exact.item)
    listed = exact.item >= 0
    pairs = Positives.from_pairs(user[listed], exact.item[listed], len(query), len(item))
    recall = contains(pairs, user, ranking.item, len(item)).sum().double() / listed.sum()
    found = Ranking(*(part.to(query.device) for part in ranking))
    return found, SearchCost(float(recall), ready - started, done - ready, flat_seconds)


def _search(index: Any, query: Tensor, item: Tensor, k: int, seen: Positives) -> Ranking:
    """Return the first k items that an index finds, in the order of products in float64; some may be missing."""
    result = Ranking(torch.full((len(query), k), -1), torch.full((len(query), k), -torch.inf, dtype=torch.double))
    depth = _depth(min(k, len(item)) + 1 + seen.start.diff(), len(item))
    for size in torch.unique(depth).tolist():
        group = (depth == size).nonzero()[:, 0]
        if size > _DEEPEST:
            found = search_exactly(query[group], item, k, restrict(seen, group))
            result.item[group], result.score[group] = found
            continue
        for user in group.split(max(1, _GATHERED // (size * query.shape[1]))):
            candidates = _candidates(index, query[user], item, size, restrict(seen, user))
            result.item[user], result.score[user] = keep_first(candidates.item, candidates.score, k)
    return result


def build(item: Tensor, kind: IndexKind) -> Any:
    """Build the faiss index of item [I, D], float32 on the CPU."""
    import faiss

    count, dim = item.shape
    index: Any
    if kind == "flat":
        index = faiss.IndexFlatIP(dim)
    elif kind == "hnsw":
        index = faiss.IndexHNSWFlat(dim, _HNSW_LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efSearch = _MIN_EF_SEARCH
    else:
        cells = max(1, min(count // 4, round(4 * math.sqrt(count))))
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, cells, faiss.METRIC_INNER_PRODUCT)
        index.cp.min_points_per_centroid = 1  # no warning on stderr about small catalogues
        index.nprobe = min(cells, max(_MIN_PROBES, round(_PROBE_SHARE * cells)))
    with one_thread(kind == "hnsw"):
        index.train(item.numpy())
        index.add(item.numpy())
    return index


def _candidates(index: Any, query: Tensor, item: Tensor, size: int, seen: Positives) -> Ranking:
    """Return the `size` best candidates of each query, scored in float64 (seen: -inf).

    faiss adds float32 products in an order that depends on the place of the item and the number of queries: hence the
    second scoring.
    """
    if hasattr(index, "hnsw"):
        index.hnsw.efSearch = max(_MIN_EF_SEARCH, 2 * size)
    first = torch.from_numpy(index.search(query.numpy(), size)[1])
    exact = (query.double().unsqueeze(1) * item[first].double()).sum(2)
    user = torch.arange(len(query)).unsqueeze(1)
    removed = contains(seen, user, first, len(item)) | (first < 0)
    return Ranking(first, exact.masked_fill(removed, -torch.inf))


def _depth(needed: Tensor, items: int) -> Tensor:
    """Candidates to search for each user: a power of two, so that few searches serve all users."""
    power = torch.ceil(torch.log2(needed.double())).long()
    return (2**power).clamp(max=items)


@contextmanager
def one_thread(single: bool = True) -> Iterator[None]:
    """Run faiss on one thread: the graph that several build differs from run to run."""
    import faiss

    threads = faiss.omp_get_max_threads()
    if single:
        faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
