"""The README of an export: what its files hold, and code that answers by raw ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recbench.evaluation.index_service import QUERIES, ServedIndex
from recbench.evaluation.retrieval import IndexKind
from recbench.results.record import RunKey
from recbench.training.scorer import Scorer

LINEAR = """\
# {title}

`users.parquet` and `items.parquet` hold the raw ids of run {run} and its vectors of {size} numbers, `seen.parquet`
what each user had before the test rows, and `items.faiss` {index}
of the item vectors. `row` is the number of a user or item. A query of each feedback ({feedback})
ranks the items by inner product as the loss does.

```python
import faiss
import numpy as np
import polars as pl

users, items, seen = (pl.read_parquet(f"{{name}}.parquet") for name in ("users", "items", "seen"))
index = faiss.read_index("items.faiss")


def search(query: np.ndarray, k: int = 10, known: np.ndarray = np.empty(0)) -> pl.DataFrame:
    score, row = index.search(query[None], min(k + len(known), index.ntotal))
    new = (row[0] >= 0) & ~np.isin(row[0], known)
    return items.drop("vector")[row[0][new][:k]].with_columns(score=score[0][new][:k])


def top(user: dict[str, object], feedback: str = "{first}", k: int = 10) -> pl.DataFrame:
    (row,) = users.filter(*(pl.col(name) == value for name, value in user.items()))["row"]
    known = seen.filter((pl.col("user") == row) & pl.col(feedback))["item"].to_numpy()
    return search(users[f"query_{{feedback}}"][row].to_numpy(), k, known)


print(top({example}))
```
"""

TOWERS = """\
# {title}

`users.parquet` and `items.parquet` hold the raw ids of run {run} and {towers} vectors of {size} numbers, one per tower;
`seen.parquet` what each user had before the test rows, and `tower_1.faiss` to `tower_{towers}.faiss` {index}
of the item vectors of each tower. `row` is the number of a user or item. The scores of {loss} are not linear in the
inner products, so that no single index ranks as `recbench eval` does: take candidates from the towers.

```python
import faiss
import numpy as np
import polars as pl

users, items, seen = (pl.read_parquet(f"{{name}}.parquet") for name in ("users", "items", "seen"))


def search(query: np.ndarray, tower: int, k: int = 10, known: np.ndarray = np.empty(0)) -> pl.DataFrame:
    index = faiss.read_index(f"tower_{{tower}}.faiss")
    score, row = index.search(query[None], min(k + len(known), index.ntotal))
    new = (row[0] >= 0) & ~np.isin(row[0], known)
    ids = items.drop(pl.selectors.starts_with("tower_"))
    return ids[row[0][new][:k]].with_columns(score=score[0][new][:k])


def top(user: dict[str, object], tower: int = 1, feedback: str = "{first}", k: int = 10) -> pl.DataFrame:
    (row,) = users.filter(*(pl.col(name) == value for name, value in user.items()))["row"]
    known = seen.filter((pl.col("user") == row) & pl.col(feedback))["item"].to_numpy()
    return search(users[f"tower_{{tower}}"][row].to_numpy(), tower, k, known)


print(top({example}))
```
"""

MEASURED = """
## The index

How `{file}` answers one query at a time for the first {k} items, on one thread of the machine that wrote it
({queries:,} users' queries, drawn at random):

| | found of the exact first {k} | median ms | 99 of 100 within ms | built in s |
|---|---|---|---|---|
{rows}
"""

INDEX_WORDS = {
    "flat": "an `IndexFlatIP`",
    "hnsw": "an `IndexHNSWFlat` (a graph; `index.hnsw.efSearch` trades time for recall)",
    "ivf": "an `IndexIVFFlat` (cells; `index.nprobe` trades time for recall)",
}
FIRST = 10  # items, of which an index is asked how many it finds


def readme(
    key: RunKey,
    scorer: Scorer,
    feedback: Sequence[str],
    user: Mapping[str, object],
    kind: IndexKind,
    measured: Sequence[ServedIndex],
) -> str:
    """Return the README of vectors and indexes, with the raw ids of a `user` as its example."""
    linear, towers = scorer.vectors is not None, scorer.user.shape[1]
    size = scorer.item[:1].flatten(1).shape[1] if linear else scorer.item.shape[2]
    text = (LINEAR if linear else TOWERS).format(
        title=key.title,
        run=key.digest,
        loss=key.loss,
        towers=towers,
        size=size,
        index=INDEX_WORDS[kind],
        feedback=", ".join(feedback),
        first=feedback[0],
        example=repr(dict(user)),
    )
    rows = [
        f"| {it.kind} | {it.recall:.4f} | {it.median * 1e3:.3f} | {it.slow * 1e3:.3f} | {it.build_seconds:.2f} |"
        for it in measured
    ]
    if not rows:
        return text
    file, queries = "items.faiss" if linear else "tower_1.faiss", min(len(scorer.user), QUERIES)
    return text + MEASURED.format(file=file, k=FIRST, queries=queries, rows="\n".join(rows))
