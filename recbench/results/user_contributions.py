"""What each user contributes to a metric, beside the evaluation that it belongs to: `evaluations/<digest>.parquet`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recbench.errors import DataError
from recbench.results.record import Evaluation, RunKey
from recbench.results.store import Store

MetricKey = tuple[str, str, str]  # metric, feedback, signature


@dataclass(frozen=True)
class UserContributions:
    """One metric of one run as a ratio of sums over users."""

    user: NDArray[np.int64]  # rows of the user table, ascending
    numerator: NDArray[np.float64]
    denominator: NDArray[np.float64]


def write_contributions(
    store: Store, key: RunKey, evaluation: Evaluation, contributions: Mapping[MetricKey, UserContributions]
) -> None:
    """Write those of one evaluation, unless they are there. Raises DataError if they cannot be written."""
    path = store.folder(key) / "evaluations" / f"{evaluation.digest}.parquet"
    if path.exists() or not contributions:
        return
    columns: dict[str, object] = {
        name: [metric_key[n] for metric_key in contributions]
        for n, name in enumerate(("metric", "feedback", "signature"))
    }
    columns |= {
        name: [getattr(of_metric, name) for of_metric in contributions.values()]
        for name in ("user", "numerator", "denominator")
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{token_hex(4)}.tmp")
    try:
        pq.write_table(pa.table(columns), temporary, compression="zstd")
        temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}); free space, and run again") from error
    finally:
        temporary.unlink(missing_ok=True)


def read_contributions(folder: Path) -> dict[MetricKey, UserContributions]:
    """Return all in a run's folder; the later written of equal metrics, damaged files left out."""
    contributions: dict[MetricKey, UserContributions] = {}
    paths = [path for path in (folder / "evaluations").glob("*.parquet") if path.with_suffix(".json").exists()]
    for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns):
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException):
            continue
        for row in range(len(table)):
            metric, feedback, signature = (table[name][row].as_py() for name in ("metric", "feedback", "signature"))
            arrays = (table[name][row].values.to_numpy() for name in ("user", "numerator", "denominator"))
            contributions[metric, feedback, signature] = UserContributions(*arrays)
    return contributions
