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
from recbench.evaluation.index_service import ServedIndex, serve
from recbench.evaluation.retrieval import IndexKind, build
from recbench.registry import require_imported
from recbench.results.record import RunRecord
from recbench.results.store import Store
from recbench.run.evaluate import load_dataset
from recbench.run.export_programs import require_programs, write_programs
from recbench.run.export_readme import FIRST, readme
from recbench.run.fit_baseline import require_trained
from recbench.run.fitted import trained_model
from recbench.training.model import Model
from recbench.training.scorer import Scorer


def scorer_of(record: RunRecord, store: Store, part: Literal["valid", "test"]) -> tuple[Dataset, Scorer, Log]:
    """Return a run's data, its model as it scores the rows of `part`, and these rows.

    Raises UsageError for a backbone that is no inner product, DataError if data or weights are not those of the run.
    """
    data, model = model_of_vectors(record, store)
    given, log = data.given_and_scored(data.valid if part == "valid" else data.read("test"))
    known = concat_logs(data.train, data.valid, given) if part == "test" else given if data.new_test_users else None
    return data, Scorer(model.backbone, model.loss, known), log


def export_run(
    record: RunRecord, store: Store, folder: Path, index: IndexKind = "flat", formats: tuple[str, ...] = ()
) -> list[ServedIndex]:
    """Write vectors, index and README of a run to a folder that appears whole or not at all.

    What is known of the users is what `eval` shows the model: train and valid, and of split `users` the first test
    rows. `formats` are those of `export_programs`, in which the towers are written too. Returns how the indexes answer
    single queries, an approximate one and the exact one beside it.
    Raises UsageError for a folder that exists and for a backbone that is no inner product, DataError if data or
    weights are not those of the run, or if the folder cannot be written.
    """
    if folder.exists():
        raise UsageError(f"-o {folder}: exists; choose another folder, or delete it")
    data, model = model_of_vectors(record, store)
    require_programs(model.backbone, formats)
    known = _known_rows(data)
    scorer = Scorer(model.backbone, model.loss, known)
    temporary = folder.with_name(f".{folder.name}.{token_hex(4)}.tmp")
    try:
        temporary.mkdir(parents=True)
        text, measured = _write(temporary, record, data, scorer, known, index)
        text += write_programs(temporary, model, data, formats) if formats else ""
        (temporary / "README.md").write_text(text, encoding="utf-8")
        temporary.rename(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error}); choose another -o") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return measured


def vectors_of(record: RunRecord, store: Store, side: Literal["user", "item"]) -> pl.DataFrame:
    """Return the vectors of all users or items of a run, as `export_run` writes them; raises as it does."""
    data, model = model_of_vectors(record, store)
    users, items = vector_columns(Scorer(model.backbone, model.loss, _known_rows(data)), data.feedback)
    return with_vectors(data.raw_ids(side), users if side == "user" else items)


def _known_rows(data: Dataset) -> Log:
    """Return what `eval` shows a model of its users: train and valid rows and, of split `users`, the first of test."""
    given = data.given_and_scored(data.read("test"))[0] if data.new_test_users else data.valid[:0]
    return concat_logs(data.train, data.valid, given)


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


def _write(
    folder: Path, record: RunRecord, data: Dataset, scorer: Scorer, known: Log, kind: IndexKind
) -> tuple[str, list[ServedIndex]]:
    """Write vectors and indexes; return the README, and how the first index and the exact one answer."""
    linear = scorer.vectors is not None
    users, items = vector_columns(scorer, data.feedback)
    ids = data.raw_ids("user")
    with_vectors(ids, users).write_parquet(folder / "users.parquet")
    with_vectors(data.raw_ids("item"), items).write_parquet(folder / "items.parquet")
    _seen(data, known).write_parquet(folder / "seen.parquet")
    measured: list[ServedIndex] = []
    for query, (name, vectors) in zip(users.values(), items.items(), strict=False):
        file = f"{'items' if linear else name}.faiss"
        if kind == "flat":
            faiss.write_index(build(vectors.float().contiguous().cpu(), kind), str(folder / file))
            continue
        served, exact = serve(query, vectors, FIRST, kind)
        faiss.write_index(served.index, str(folder / file))
        measured = measured or [served, exact]
    text = readme(record.key, scorer, data.feedback, ids.drop("row").row(0, named=True), kind, measured)
    return text, measured


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
