"""The predictions of a run for the test rows, kept beside it: any metric can be computed later without the model.

`scores.parquet` holds one row per scored test row, `vectors.safetensors` the vectors of all users and items. Both
carry a digest of their content, so that a damaged file is never taken for other numbers.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from recbench.data.dataset import Log
from recbench.errors import DataError, UsageError
from recbench.evaluation.predictions import CatalogueScores, Predictions, TowerVectors
from recbench.results.files import DIGEST, temporary_beside
from recbench.training import checkpoint

SCORES = "scores.parquet"
VECTORS = "vectors.safetensors"
KINDS = ("score", "log_probability")
REMEDY = "run `recbench eval`, which computes it again"


def save(folder: Path, feedback: tuple[str, ...], log: Log, predictions: Predictions) -> None:
    """Write both files for a run trained on these kinds of feedback; vectors only where there are any to keep.

    `log` [R] are the rows that were scored, in the order of the test rows. Raises DataError if there is no space.
    """
    columns: dict[str, pa.Array] = {
        "row": pa.array(range(len(log)), pa.int64()),
        "user": pa.array(log.user.cpu().numpy()),
        "item": pa.array(log.item.cpu().numpy()),
    }
    for kind, values in zip(KINDS, (predictions.score, predictions.log_probability), strict=True):
        if values is not None:
            columns |= {f"{kind}/{name}": pa.array(values[:, t].cpu().numpy()) for t, name in enumerate(feedback)}
    if predictions.vectors is not None:
        checkpoint.save(folder / VECTORS, dict(vars(predictions.vectors)))
    table = pa.table(columns)
    try:
        with temporary_beside(folder / SCORES) as temporary:
            pq.write_table(table.replace_schema_metadata({DIGEST: _digest(table)}), temporary, compression="zstd")
            temporary.replace(folder / SCORES)
    except OSError as error:
        raise DataError(f"{folder / SCORES}: cannot be written ({error.strerror or error}); free some space") from error


def load(folder: Path, feedback: tuple[str, ...], log: Log, ranks: bool) -> Predictions | None:
    """Return what was kept of a run, or None if it is not all there; `ranks` asks for the vectors too.

    Raises DataError if a file is damaged or is of other rows than `log`. Files of versions that wrote no digest are
    read unchecked.
    """
    if not (folder / SCORES).exists() or (ranks and not (folder / VECTORS).exists()):
        return None
    device = log.user.device
    score, log_probability = (
        None if values is None else values.to(device) for values in _score_columns(folder / SCORES, feedback, log)
    )
    assert score is not None
    if not ranks:
        return Predictions(score, _not_kept, log_probability)
    vectors = _read_vectors(folder / VECTORS, device)
    return Predictions(score, vectors.catalogue, log_probability, vectors)


def read_scores(path: Path) -> pa.Table:
    """Return the table of kept scores; raises DataError if it is damaged or changed since it was written."""
    try:
        with path.open("rb") as file:
            table = pq.ParquetFile(file).read()  # unlike read_table, does not import pyarrow.dataset
        digest = (table.schema.metadata or {}).get(DIGEST.encode())
        if digest is not None and digest.decode(errors="replace") != _digest(table):
            raise ValueError("its content does not match its digest")
    except (OSError, ValueError, TypeError, KeyError, MemoryError, pa.ArrowException) as error:
        raise _damaged(path, error) from None
    return table


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: damaged ({' '.join(str(error).split())[:200]}); {REMEDY}")


def _score_columns(path: Path, feedback: tuple[str, ...], log: Log) -> tuple[Tensor | None, ...]:
    """Return scores [R, T] and log-probabilities [R, T], None where the objective is not probabilistic."""
    table = read_scores(path)
    try:
        columns = tuple(_columns(table, kind, feedback) for kind in KINDS)
        if columns[0] is None:
            raise ValueError(f"no column {KINDS[0]}/{feedback[0]}")
        users = table["user"].to_numpy()
    except (ValueError, TypeError, KeyError, MemoryError, pa.ArrowException) as error:
        raise _damaged(path, error) from None
    if not np.array_equal(users, log.user.cpu().numpy()):
        raise DataError(f"{path}: not of these test rows; {REMEDY}")
    return columns


def _read_vectors(path: Path, device: torch.device) -> TowerVectors:
    try:
        return TowerVectors(**{name: value.to(device) for name, value in checkpoint.load(path, REMEDY).items()})
    except (TypeError, AttributeError):
        raise DataError(f"{path}: damaged (holds something else than user, item and weight); {REMEDY}") from None


def _columns(table: pa.Table, kind: str, feedback: tuple[str, ...]) -> Tensor | None:
    if f"{kind}/{feedback[0]}" not in table.column_names:
        return None
    return torch.stack([torch.from_numpy(table[f"{kind}/{name}"].to_numpy().copy()) for name in feedback], 1)


def _digest(table: pa.Table) -> str:
    """Return the SHA-256 of the names, types and values of all columns."""
    digest = sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(f"{name} {column.type} {column.null_count} ".encode())
        digest.update(np.ascontiguousarray(column.to_numpy()).data)
    return digest.hexdigest()


def _not_kept(column: int) -> CatalogueScores:
    raise UsageError("the vectors of this run are not kept; run `recbench eval`, which opens the model")
