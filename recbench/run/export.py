"""A trained model for use elsewhere: vectors with the raw ids as Parquet, faiss indexes, and how to query them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Literal

import faiss
import polars as pl
from torch import Tensor

from recbench.backbones.base import BACKBONES
from recbench.data.dataset import Dataset, Log, concat_logs
from recbench.errors import DataError, UsageError
from recbench.registry import require_imported
from recbench.results.record import RunRecord
from recbench.results.store import Store
from recbench.run.evaluate import load_dataset
from recbench.run.fit_baseline import require_trained
from recbench.run.fitted import trained_model
from recbench.training.model import Model
from recbench.training.scorer import Scorer

LINEAR = """\
# {title}

`users.parquet` and `items.parquet` hold the raw ids of run {run} and its vectors of {size} numbers, `seen.parquet`
what each user had before the test rows, and `items.faiss` an `IndexFlatIP` of the item vectors. `row` is the number of
a user or item. A query of each feedback ({feedback}) ranks the items by inner product as the loss does.

```python
import faiss
import numpy as np
import polars as pl

users, items, seen = (pl.read_parquet(f"{{name}}.parquet") for name in ("users", "items", "seen"))
index = faiss.read_index("items.faiss")


def top(user: int, feedback: str = "{first}", k: int = 10) -> pl.DataFrame:
    known = seen.filter((pl.col("user") == user) & pl.col(feedback))["item"].to_numpy()
    query = users[f"query_{{feedback}}"][user].to_numpy()
    score, row = index.search(query[None], min(k + len(known), index.ntotal))
    new = ~np.isin(row[0], known)
    return items.drop("vector")[row[0][new][:k]].with_columns(score=score[0][new][:k])


print(top(0), users.drop(pl.selectors.starts_with("query_"))[0])
```
"""

TOWERS = """\
# {title}

`users.parquet` and `items.parquet` hold the raw ids of run {run} and {towers} vectors of {size} numbers, one per tower;
`seen.parquet` what each user had before the test rows, and `tower_1.faiss` to `tower_{towers}.faiss` an `IndexFlatIP`
of the item vectors of each tower. `row` is the number of a user or item. The scores of {loss} are not linear in the
inner products, so that no single index ranks as `recbench eval` does: take candidates from the towers.

```python
import faiss
import numpy as np
import polars as pl

users, items, seen = (pl.read_parquet(f"{{name}}.parquet") for name in ("users", "items", "seen"))


def top(user: int, tower: int = 1, feedback: str = "{first}", k: int = 10) -> pl.DataFrame:
    index = faiss.read_index(f"tower_{{tower}}.faiss")
    known = seen.filter((pl.col("user") == user) & pl.col(feedback))["item"].to_numpy()
    query = users[f"tower_{{tower}}"][user].to_numpy()
    score, row = index.search(query[None], min(k + len(known), index.ntotal))
    new = ~np.isin(row[0], known)
    ids = items.drop(pl.selectors.starts_with("tower_"))
    return ids[row[0][new][:k]].with_columns(score=score[0][new][:k])


print(top(0), users.drop(pl.selectors.starts_with("tower_"))[0])
```
"""


def scorer_of(record: RunRecord, store: Store, part: Literal["valid", "test"]) -> tuple[Dataset, Scorer, Log]:
    """Return a run's data, its model as it scores the rows of `part`, and these rows.

    Raises UsageError for a backbone that is no inner product, DataError if data or weights are not those of the run.
    """
    data, model = model_of_vectors(record, store)
    given, log = data.given_and_scored(data.valid if part == "valid" else data.read("test"))
    known = concat_logs(data.train, data.valid, given) if part == "test" else given if data.new_test_users else None
    return data, Scorer(model.backbone, model.loss, known), log


def export_run(record: RunRecord, store: Store, folder: Path) -> None:
    """Write vectors, index and README of a run to a folder that appears whole or not at all.

    What is known of the users is what `eval` shows the model: train and valid, and of split `users` the first test
    rows. Raises UsageError for a folder that exists and for a backbone that is no inner product, DataError if data or
    weights are not those of the run, or if the folder cannot be written.
    """
    if folder.exists():
        raise UsageError(f"-o {folder}: exists; choose another folder, or delete it")
    data, model = model_of_vectors(record, store)
    given = data.given_and_scored(data.read("test"))[0] if data.new_test_users else data.valid[:0]
    known = concat_logs(data.train, data.valid, given)
    scorer = Scorer(model.backbone, model.loss, known)
    temporary = folder.with_name(f".{folder.name}.{token_hex(4)}.tmp")
    try:
        temporary.mkdir(parents=True)
        _write(temporary, record, data, scorer, known)
        temporary.rename(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error}); choose another -o") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def model_of_vectors(record: RunRecord, store: Store) -> tuple[Dataset, Model]:
    """Return a run's data and its trained model, whose scores are made of vectors.

    Raises UsageError for a backbone that is no inner product, DataError if data or weights are not those of the run.
    """
    key = record.key
    require_trained(key)
    require_imported(record.imports, key.sources, key.digest)
    if not BACKBONES.get(key.backbone).decomposable:
        raise UsageError(
            f"run {key.digest}: scores of backbone `{key.backbone}` are no inner products of vectors; "
            f"choose a run of another backbone"
        )
    data = load_dataset(key, "cpu").narrow(key.feedback)
    return data, trained_model(key, data, store.folder(key))


def _write(folder: Path, record: RunRecord, data: Dataset, scorer: Scorer, known: Log) -> None:
    key, linear = record.key, scorer.vectors is not None
    users, items = vector_columns(scorer, data.feedback)
    with_vectors(data.raw_ids("user"), users).write_parquet(folder / "users.parquet")
    with_vectors(data.raw_ids("item"), items).write_parquet(folder / "items.parquet")
    _seen(data, known).write_parquet(folder / "seen.parquet")
    for name, vectors in items.items():
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors.float().contiguous().numpy())
        faiss.write_index(index, str(folder / f"{'items' if linear else name}.faiss"))
    text = (LINEAR if linear else TOWERS).format(
        title=key.title,
        run=key.digest,
        loss=key.loss,
        towers=scorer.user.shape[1],
        size=next(iter(items.values())).shape[1],
        feedback=", ".join(data.feedback),
        first=data.feedback[0],
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def vector_columns(scorer: Scorer, feedback: Sequence[str]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the vectors of users and items to search by, as the columns of an export: [entities, numbers] each.

    A query per feedback and the vector of an item; or a vector per tower, where scores are not linear in them.
    """
    linear = scorer.vectors
    if linear is None:
        of_towers = {f"tower_{k + 1}": k for k in range(scorer.user.shape[1])}
        users = {name: scorer.user[:, k] for name, k in of_towers.items()}
        return users, {name: scorer.item[:, k] for name, k in of_towers.items()}
    users = {f"query_{name}": linear.catalogue(task).user for task, name in enumerate(feedback)}
    return users, {"vector": linear.catalogue(0).item}


def with_vectors(ids: pl.DataFrame, vectors: Mapping[str, Tensor]) -> pl.DataFrame:
    """Return what identifies users or items with a column of float32 vectors per tensor.

    A raw column that is called like one of them becomes `raw_<name>`.
    """
    ids = ids.rename({name: f"raw_{name}" for name in ids.columns if name in vectors})
    return ids.hstack([pl.Series(name, value.float().contiguous().numpy()) for name, value in vectors.items()])


def _seen(data: Dataset, known: Log) -> pl.DataFrame:
    """Return the distinct pairs that have had some feedback, with a column per kind."""
    pairs = pl.DataFrame({"user": known.user.numpy(), "item": known.item.numpy()})
    labels = {name: known.label[:, t].bool().numpy() for t, name in enumerate(data.feedback)}
    rows = pairs.with_columns(**labels).filter(pl.any_horizontal(data.feedback))
    return rows.group_by("user", "item").agg(pl.col(data.feedback).any()).sort("user", "item")
