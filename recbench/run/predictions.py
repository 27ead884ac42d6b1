"""What a run says of the test rows, kept beside it so that any metric can be computed later without the model.

`scores.parquet` holds one row per scored test row, `vectors.safetensors` the vectors of all users and items.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from recbench.data.dataset import Log
from recbench.errors import DataError, UsageError
from recbench.evaluation.evaluate import Blocks, Predictions, Vectors
from recbench.run import checkpoint
from recbench.run.scorer import Scorer, linear_weights

SCORES = "scores.parquet"
VECTORS = "vectors.safetensors"
KINDS = ("score", "log_probability")


@dataclass(frozen=True)
class Kept:
    """Vectors whose inner products, weighed, rank as the scores do."""

    user: Tensor  # [users, K, D]
    item: Tensor  # [items, K, D]
    weight: Tensor  # [T, K]

    @staticmethod
    def of(scorer: Scorer) -> Kept | None:
        """Return the vectors of a model, or None if its scores are not linear in inner products."""
        weight = linear_weights(scorer.loss) if scorer.backbone.decomposable else None
        return None if weight is None else Kept(scorer.user, scorer.item, weight)

    def catalogue(self, task: int) -> Vectors:
        """Return the vectors that rank by one feedback: [users, K * D], [items, K * D]."""
        return Vectors((self.user * self.weight[task, :, None]).flatten(1), self.item.flatten(1))


def save(folder: Path, feedback: tuple[str, ...], log: Log, found: Predictions, kept: Kept | None) -> None:
    """Write both files for a run trained on these kinds of feedback; vectors only where there are any to keep.

    `log` [R] are the rows that were scored, in the order of the test rows. Raises DataError if there is no space.
    """
    columns: dict[str, pa.Array] = {
        "row": pa.array(range(len(log)), pa.int64()),
        "user": pa.array(log.user.cpu().numpy()),
        "item": pa.array(log.item.cpu().numpy()),
    }
    for kind, values in zip(KINDS, (found.score, found.log_probability), strict=True):
        if values is not None:
            columns |= {f"{kind}/{name}": pa.array(values[:, t].cpu().numpy()) for t, name in enumerate(feedback)}
    if kept is not None:
        checkpoint.save(folder / VECTORS, dict(vars(kept)))
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
    catalogue = _catalogue(folder, device) if ranks else _nothing
    return Predictions(score.to(device), catalogue, None if log_probability is None else log_probability.to(device))


def _columns(table: pa.Table, kind: str, feedback: tuple[str, ...]) -> Tensor | None:
    if f"{kind}/{feedback[0]}" not in table.column_names:
        return None
    return torch.stack([torch.from_numpy(table[f"{kind}/{name}"].to_numpy().copy()) for name in feedback], 1)


def _catalogue(folder: Path, device: torch.device) -> Callable[[int], Vectors | Blocks]:
    held = checkpoint.load(folder / VECTORS)
    return Kept(**{name: held[name].to(device) for name in ("user", "item", "weight")}).catalogue


def _nothing(task: int) -> Vectors | Blocks:
    raise UsageError("the vectors of this run are not kept; run `recbench eval`, which opens the model")
