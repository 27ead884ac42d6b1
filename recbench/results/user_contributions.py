"""What each user contributes to a metric, beside the evaluation that it belongs to: `evaluations/<digest>.parquet`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recbench.errors import DataError
from recbench.results.files import DIGEST, DamagedFileError, temporary_beside
from recbench.results.record import Evaluation, RunKey
from recbench.results.store import Store

if TYPE_CHECKING:
    import pyarrow as pa  # slow to load, and many stores hold no contributions

MetricKey = tuple[str, str, str]  # metric, feedback, signature

WORDS = ("metric", "feedback", "signature")
SUMS = ("user", "numerator", "denominator")
LARGEST = 1 << 30  # bytes


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
    if not contributions or _is_sound(path):
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, object] = {name: [words[n] for words in contributions] for n, name in enumerate(WORDS)}
    columns |= {name: [getattr(sums, name) for sums in contributions.values()] for name in SUMS}
    table = pa.table(columns, schema=_schema().with_metadata({DIGEST: _digest(contributions)}))
    try:
        with temporary_beside(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")
            temporary.replace(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error}); free space, and run again") from error


def read_contributions(folder: Path, warnings: list[str]) -> dict[MetricKey, UserContributions]:
    """Return all in a run's folder, the later written of equal metrics; `warnings` gets a line per damaged file."""
    contributions: dict[MetricKey, UserContributions] = {}
    paths = [path for path in (folder / "evaluations").glob("*.parquet") if path.with_suffix(".json").exists()]
    for path in sorted(paths, key=_written):
        try:
            contributions |= load_contributions(path)
        except DamagedFileError as error:
            if path.exists():
                warnings.append(f"{error}; skipped")
    return contributions


def _written(path: Path) -> int:
    """Return when a file was written, 0 of one that was deleted since its name was read."""
    try:
        return path.lstat().st_mtime_ns
    except FileNotFoundError:
        return 0


def load_contributions(path: Path) -> dict[MetricKey, UserContributions]:
    """Return what `write_contributions` wrote; raises DamagedFileError if the file holds anything else.

    Files of versions that wrote no digest, or sums of metrics that are undefined, are read all the same.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise ValueError("not a regular file, or too large")
        with path.open("rb") as file:
            table = pq.ParquetFile(file).read()  # unlike read_table, does not import pyarrow.dataset
        contributions = _contributions(table)
        digest = (table.schema.metadata or {}).get(DIGEST.encode())
        if digest is not None and digest.decode(errors="replace") != _digest(contributions):
            raise ValueError("its content does not match its digest")
    except (OSError, ValueError, TypeError, KeyError, MemoryError, pa.ArrowException) as error:
        raise DamagedFileError(
            f"{path}: damaged ({' '.join(str(error).split())[:200]}); delete it and run `recbench eval` again, "
            "or methods are compared without this run"
        ) from None
    return {words: sums for words, sums in contributions.items() if np.isfinite(sums.numerator).all()}


def _contributions(table: pa.Table) -> dict[MetricKey, UserContributions]:
    """Return the rows of a table; raises ValueError if they cannot be sums over users."""
    schema = _schema()
    if not table.schema.equals(schema):
        raise ValueError(f"columns are {', '.join(table.schema.names)}, expected {', '.join(schema.names)}")
    contributions = {}
    for row in table.to_batches():
        for n in range(len(row)):
            words = tuple(row[name][n].as_py() for name in WORDS)
            user, numerator, denominator = (row[name][n].values.to_numpy() for name in SUMS)
            if None in words or not len(user) == len(numerator) == len(denominator):
                raise ValueError("lists of different lengths")
            if (np.diff(user) <= 0).any() or np.isinf(numerator).any() or not (denominator >= 0).all():
                raise ValueError("users that do not ascend, or sums that are infinite")
            contributions[words] = UserContributions(user, numerator, denominator)
    return contributions


@cache
def _schema() -> pa.Schema:
    import pyarrow as pa

    sums = zip(SUMS, (pa.int64(), pa.float64(), pa.float64()), strict=True)
    return pa.schema([*((name, pa.string()) for name in WORDS), *((name, pa.list_(kind)) for name, kind in sums)])


def _is_sound(path: Path) -> bool:
    try:
        return path.exists() and bool(load_contributions(path))
    except DamagedFileError:
        return False


def _digest(contributions: Mapping[MetricKey, UserContributions]) -> str:
    digest = sha256()
    for words, sums in contributions.items():
        digest.update(repr(words).encode())
        for values in (sums.user, sums.numerator, sums.denominator):
            digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
