"""What an index of faiss costs and loses where a service asks it for one user at a time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recbench.evaluation.exact_search import prepared
from recbench.evaluation.retrieval import IndexKind, build, one_thread

QUERIES = 1000  # at most, drawn from all users
ROUNDING = 1e-5  # of scores, by which faiss may take one item for another


@dataclass(frozen=True)
class ServedIndex:
    """An index and how it answers single queries on one thread."""

    index: Any
    kind: IndexKind
    recall: float  # share of the exact first k items that it finds
    median: float  # seconds of a query
    slow: float  # seconds that one query of a hundred exceeds
    build_seconds: float


def serve(query: Tensor, item: Tensor, k: int, kind: IndexKind) -> tuple[ServedIndex, ServedIndex]:
    """Return an index of item [I, D], and the exact one, asked for the first k items of some users' query [U, D].

    There are QUERIES of them, drawn by a seed, or as many as there are users.
    """
    chosen = np.random.default_rng(0).permutation(len(query))[:QUERIES]
    rows = np.ascontiguousarray(prepared(query).cpu().numpy()[chosen])
    vectors = prepared(item).cpu()
    k = min(k, len(vectors))
    flat, seconds = _built(vectors, "flat")
    first, times = _asked(flat, rows, k)
    exact = ServedIndex(flat, "flat", 1.0, *_quantiles(times), seconds)
    if kind == "flat":
        return exact, exact
    index, seconds = _built(vectors, kind)
    found, times = _asked(index, rows, k)

    def scores(items: NDArray[np.int64]) -> NDArray[np.float32]:
        score: NDArray[np.float32] = np.einsum("qd,qkd->qk", rows, vectors.numpy()[items.clip(min=0)])
        return score

    least = scores(first)[:, -1:]
    hit = (found >= 0) & (scores(found) >= least - np.abs(least) * ROUNDING)  # of equal scores each is as good
    return ServedIndex(index, kind, float(hit.mean()), *_quantiles(times), seconds), exact


def _built(vectors: Tensor, kind: IndexKind) -> tuple[Any, float]:
    started = time.perf_counter()
    return build(vectors, kind), time.perf_counter() - started


def _asked(index: Any, rows: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], list[float]]:
    found, times = [], []
    with one_thread():
        for row in rows:
            started = time.perf_counter()
            found.append(index.search(row[None], k)[1][0])
            times.append(time.perf_counter() - started)
    return np.array(found), times


def _quantiles(times: list[float]) -> tuple[float, float]:
    return float(np.median(times)), float(np.quantile(times, 0.99))
