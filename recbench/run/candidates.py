"""What `--candidates` asks for: the catalogue, the user's own test rows, a sample, or the pairs of a file."""

from __future__ import annotations

import re
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Literal

import polars as pl
import torch

from recbench.data.dataset import Dataset, Positives
from recbench.data.manifest_file import read_manifest
from recbench.errors import DataError, UsageError, suggestion
from recbench.evaluation.candidate_sets import CandidateSet, GivenCandidates, SampledCandidates
from recbench.settings import whole_number

BIASED = (
    "metrics of sampled candidates are biased, and may order methods otherwise than the whole catalogue does: "
    "Krichene & Rendle, KDD 2020, https://doi.org/10.1145/3394486.3403226"
)
MOST_SAMPLED = 1_000_000
FILES = (".parquet", ".csv")  # ends of names of files with candidates

_SAMPLED = re.compile(r"sampled:([^:]+)(?::([0-9]{1,18}))?")


def require_candidates(word: str) -> str:
    """Return the word if it is one that names candidates; raises UsageError otherwise."""
    is_file = word.endswith(FILES)
    if word not in ("catalogue", "test") and sampled(word) is None and not is_file:
        near = suggestion(word, ["catalogue", "test", "sampled:100"])
        raise UsageError(f"--candidates {word}: {near}expected catalogue, test, sampled:N, FILE.parquet or FILE.csv")
    if is_file and not Path(word).is_file():
        raise UsageError(f"--candidates {word}: no such file")
    return word


def sampled(word: str) -> SampledCandidates | None:
    """Return what `sampled:N` or `sampled:N:SEED` asks for, None for another word.

    Raises UsageError if N is not a whole number in range.
    """
    if not word.startswith("sampled"):
        return None
    match = _SAMPLED.fullmatch(word)
    try:
        count = whole_number(match[1]) if match else 0
    except ValueError:
        count = 0
    if match is None or not 1 <= count <= MOST_SAMPLED:
        raise UsageError(
            f"--candidates {word}: expected sampled:N or sampled:N:SEED with N from 1 to {MOST_SAMPLED:,}, "
            f"as in sampled:100"
        )
    return SampledCandidates(count, int(match[2] or 0))


def candidate_set(word: str, data: Dataset) -> CandidateSet:
    """Return the candidates that the word of `--candidates` names, for this dataset.

    Raises UsageError for another word or a file that does not exist, DataError if it does not hold what it should.
    """
    require_candidates(word)
    if word == "catalogue":
        return "catalogue"
    return "rows" if word == "test" else sampled(word) or _read(Path(word), data)


def _read(path: Path, data: Dataset) -> GivenCandidates:
    """Read the columns `user` and `item`, raw ids, of a Parquet or CSV file."""
    form = "CSV" if path.suffix == ".csv" else "Parquet"
    try:
        content = path.read_bytes()
        held = BytesIO(content)
        frame = pl.read_csv(held, infer_schema=False) if form == "CSV" else pl.read_parquet(held)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path}: cannot be read as {form} ({str(error).splitlines()[0]})") from None
    missing = [name for name in ("user", "item") if name not in frame.columns]
    if missing:
        raise DataError(
            f"{path}: no column {' or '.join(missing)}; expected columns user and item with raw ids, "
            f"found {', '.join(frame.columns) or 'none'}"
        )
    if not len(frame):
        raise DataError(f"{path}: no rows; write the candidates of at least one user")
    user, item = _rows(path, frame["user"], "user", data), _rows(path, frame["item"], "item", data)
    pairs = Positives.from_pairs(user, item, len(data.users), len(data.items))
    return GivenCandidates(sha256(content).hexdigest()[:12], pairs)


def _rows(path: Path, ids: pl.Series, side: Literal["user", "item"], data: Dataset) -> torch.Tensor:
    """Return the rows [P] of the users or items with these raw ids."""
    vocabulary = data.raw_ids(side)
    names = [name for name in vocabulary.columns if name != "row"]
    key = names[0] if len(names) == 1 else _key(data, side)
    if key is None or vocabulary[key].is_duplicated().any():
        raise DataError(
            f"{path}: a {side} of {data.name} is identified by {', '.join(names)} together, which a column {side} "
            f'cannot say; choose --candidates catalogue, test or sampled:N, or set changing = "last" in `{side}` '
            "of its catalogue entry"
        )
    vocabulary = vocabulary.select("row", pl.col(key).alias("id"))
    wanted = _cast_ids(path, ids, vocabulary["id"].dtype).alias("id").to_frame()
    row = wanted.join(vocabulary, on="id", how="left", maintain_order="left")["row"]
    if row.has_nulls():
        unknown = ids.filter(row.is_null())
        more = f" (nor are {len(unknown) - 1:,} further rows)" if len(unknown) > 1 else ""
        raise DataError(f"{path}: {side} `{unknown[0]}` is not in {data.name}{more}; leave such rows out")
    return torch.from_numpy(row.cast(pl.Int64).to_numpy().copy())


def _key(data: Dataset, side: Literal["user", "item"]) -> str | None:
    """Return the column of the log that names the users or items, if there is one."""
    options = read_manifest(data.folder).options
    return (options.user if side == "user" else options.item).key


def _cast_ids(path: Path, ids: pl.Series, kind: pl.DataType) -> pl.Series:
    """Return raw ids as the type of the vocabulary, null where they are not of it; 0.5 is not item 0."""
    try:
        cast = ids.cast(kind, strict=False)
        whole = cast.cast(ids.dtype) == ids if ids.dtype.is_float() and kind.is_integer() else None
    except pl.exceptions.PolarsError:
        raise DataError(f"{path}, column `{ids.name}`: expected one raw id a row, found {ids.dtype}") from None
    return cast if whole is None else cast.set(~whole.fill_null(value=False), None)
