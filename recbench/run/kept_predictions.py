"""The predictions of a run for the test rows, kept beside it: any metric can be computed later without the model.

`scores.parquet` holds one row per scored test row, `vectors.safetensors` the vectors of all users and items.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from recbench.data.dataset import Log
from recbench.errors import DataError, UsageError
from recbench.evaluation.predictions import CatalogueScores, Predictions, TowerVectors
from recbench.run import checkpoint

SCORES = "scores.parquet"
VECTORS = "vectors.safetensors"
KINDS = ("score", "log_probability")


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
    temporary = folder / f".{SCORES}.{os.getpid()}.tmp"
    try:
        pq.write_table(pa.table(columns), temporary, compression="zstd")
        temporary.replace(folder / SCORES)
    except OSError as error:
        raise DataError(f"{folder / SCORES}: cannot be written ({error.strerror or error}); free some space") from error
    finally:
        temporary.unlink(missing_ok=True)


def load(folder: Path, feedback: tuple[str, ...], log: Log, ranks: bool) -> Predictions | None:
    """Return what was kept of a run, or None if it is not all there; `ranks` asks for the vectors too.

    Raises DataError if a file is damaged or is of other rows than `log`.
    """
    if not (folder / SCORES).exists() or (ranks and not (folder / VECTORS).exists()):
        return None
    device = log.user.device
    try:
        table = pq.read_table(folder / SCORES)
        score, log_probability = (_columns(table, kind, feedback) for kind in KINDS)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise DataError(f"{folder / SCORES}: damaged ({error}); delete it, and run `recbench eval`") from None
    if score is None or len(score) != len(log) or not np.array_equal(table["user"].to_numpy(), log.user.cpu().numpy()):
        raise DataError(f"{folder / SCORES}: not of these test rows; delete it, and run `recbench eval`")
    log_probability = None if log_probability is None else log_probability.to(device)
    if not ranks:
        return Predictions(score.to(device), _not_kept, log_probability)
    vectors = TowerVectors(**{name: value.to(device) for name, value in checkpoint.load(folder / VECTORS).items()})
    return Predictions(score.to(device), vectors.catalogue, log_probability, vectors)


def _columns(table: pa.Table, kind: str, feedback: tuple[str, ...]) -> Tensor | None:
    if f"{kind}/{feedback[0]}" not in table.column_names:
        return None
    return torch.stack([torch.from_numpy(table[f"{kind}/{name}"].to_numpy().copy()) for name in feedback], 1)


def _not_kept(column: int) -> CatalogueScores:
    raise UsageError("the vectors of this run are not kept; run `recbench eval`, which opens the model")
