"""Ali-CCP: a skeleton row per impression, and the features that many impressions of a user have in common.

A feature list is tokens `field \\x02 id \\x03 value` joined by \\x01. Of the fields of an impression (item, cross,
position) and those of its user, only the ones that the catalogue names are taken; of a repeated field the last token
counts, a missing one is null. The tokens are found in the bytes of a block, since most of them are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from recbench.errors import DataError
from recbench.readers.base import RawTables, Source
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.text_blocks import map_ahead, read_numbered_blocks

SEPARATOR, ID, VALUE, COMMA, LINE, BLANK = 1, 2, 3, ord(","), ord("\n"), ord(" ")
DIGITS = 12  # of an id, at most
WIDTH = 3  # of the name of a field that can be taken
SKELETON = ("sample", "click", "purchase", "common", "tokens", "list")
COMMON = ("common", "tokens", "list")

HEAD = 64  # bytes that hold all fields before the list

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]


@dataclass(frozen=True)
class _TokenFile:
    path: Path
    columns: tuple[str, ...]
    fields: tuple[str, ...]


def read(spec: DatasetSpec, source: Source) -> RawTables:
    """Read the impressions of train, then those of test, each with its user's features; raises DataError."""
    return RawTables(_log(spec, source), optional_keys=True)


def _log(spec: DatasetSpec, source: Source) -> Iterator[pl.DataFrame]:
    for part in ("train", "test"):
        common = _TokenFile(source.file(f"common_features_{part}.csv"), COMMON, spec.user.features)
        skeleton = _TokenFile(source.file(f"sample_skeleton_{part}.csv"), SKELETON, spec.item.features)
        users = _users(common, source)
        for first, block in _parsed(skeleton, source):
            joined = block.join(users, on="common", how="left", maintain_order="left")
            unknown = joined["known"].is_null()
            if unknown.any():
                row = unknown.arg_max() or 0
                index = f"common features {joined['common'][row]:016x}"
                raise DataError(f"{skeleton.path}, line {first + row}: {index} are not in {common.path}")
            yield joined.drop("common", "known").with_columns(split=pl.lit(part))


def _users(file: _TokenFile, source: Source) -> pl.DataFrame:
    """Return the user fields of every common index, which fit in memory: a few numbers for a million rows."""
    users = pl.concat([block for _, block in _parsed(file, source)])
    repeated = users["common"].is_duplicated()
    if repeated.any():
        row = repeated.arg_max() or 0
        index = f"common features {users['common'][row]:016x}"
        raise DataError(f"{file.path}, line {row + 1}: {index} stand on another line too; download it again")
    return users.with_columns(known=pl.lit(True))


def _parsed(file: _TokenFile, source: Source) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield the number of the first line and the typed columns of each block of lines."""

    def texts() -> Iterator[tuple[int, bytes]]:
        for line, piece in read_numbered_blocks(file.path, source.block, source.advance):
            yield line, piece if piece.endswith(b"\n") else piece + b"\n"

    return map_ahead(lambda place: (place[0], _typed(file, *place)), texts())


def _typed(file: _TokenFile, line: int, text: bytes) -> pl.DataFrame:
    names = file.columns[:-1]
    content = np.frombuffer(text + b" " * HEAD, np.uint8)  # so that the last line has as many bytes
    ends = np.flatnonzero(content == LINE)
    head = _heads(file, content, ends, line)
    whole = [pl.col(name).cast(pl.Int64, strict=False) for name in names if name != "common"]
    index = pl.col("common").str.to_integer(base=16, dtype=pl.UInt64, strict=False)
    frame = head.select(*whole, index)
    token_counts, fields = _tokens(file, content, ends, line)
    wrong = frame.select(pl.any_horizontal(pl.all().is_null()))[:, 0] | (frame["tokens"] != pl.Series(token_counts))
    if wrong.any():
        row = wrong.arg_max() or 0
        raise _bad_line(file, head.row(row, named=True), int(token_counts[row]), line + row)
    kept = [name for name in ("click", "purchase", "common") if name in names]
    return frame.select(kept).with_columns(**fields)


def _heads(file: _TokenFile, text: Bytes, ends: Places, line: int) -> pl.DataFrame:
    """Return the fields before the list, as text; only the first bytes of each line are looked at."""
    starts = np.concatenate([[0], ends[:-1] + 1])
    heads = np.full((len(ends), HEAD + 1), LINE, np.uint8)
    heads[:, :-1] = sliding_window_view(text, HEAD)[starts]
    short = np.arange(HEAD, dtype=np.int32) >= (ends - starts).astype(np.int32)[:, None]
    heads[:, :-1][short] = BLANK
    schema = dict.fromkeys(file.columns, pl.String)
    try:
        head = pl.read_csv(heads.tobytes(), has_header=False, quote_char=None, schema=schema)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{file.path}, lines from {line}: expected {len(file.columns)} fields ({reason})") from None
    return head.select(pl.all().exclude("list").str.strip_chars(" "))


def _tokens(file: _TokenFile, text: Bytes, ends: Places, line: int) -> tuple[NDArray[np.int64], dict[str, pl.Series]]:
    """Return the number of tokens on each line, and the id of each field there, null where it is missing."""
    place = np.flatnonzero(text == ID)
    token_counts = np.diff(np.searchsorted(place, ends), prepend=0)
    # the four bytes before an ID mark are the name of the field and what parts it from the token before
    four = np.ndarray(len(text) - 3, np.dtype("<u4"), text, strides=(1,))  # every byte and the three after it
    code = four[np.maximum(place - WIDTH - 1, 0)] if len(place) else place.astype(np.uint32)
    fields = {}
    for name in file.fields:
        later, first = (int.from_bytes(bytes([edge]) + name.encode(), "little") for edge in (SEPARATOR, COMMA))
        at = place[(code == later) | (code == first)]
        row = np.searchsorted(ends, at)
        number, stop = np.zeros(len(at), np.int64), np.zeros(len(at), np.bool_)
        for i in range(1, DIGITS + 2):
            if stop.all():
                break
            byte = text[np.minimum(at + i, len(text) - 1)]
            stop |= byte == VALUE
            digit = (byte >= ord("0")) & (byte <= ord("9"))
            bad = ~stop & ~digit
            if bad.any():
                where = f"{file.path}, line {line + int(row[bad][0])}"
                raise DataError(f"{where}: the id of field {name} is not a whole number; download it again")
            number = np.where(stop, number, number * 10 + byte - ord("0"))
        if not stop.all():
            where = f"{file.path}, line {line + int(row[~stop][0])}"
            raise DataError(f"{where}: the id of field {name} has more than {DIGITS} digits; download it again")
        ids = np.full(len(ends), -1, np.int64)
        ids[row] = number
        fields[name] = pl.Series(ids).replace(-1, None)
    return token_counts, fields


def _bad_line(file: _TokenFile, text: dict[str, str | None], token_counts: int, line: int) -> DataError:
    where = f"{file.path}, line {line}"
    for name, value in text.items():
        if value is None:
            return DataError(f"{where}, column `{name}`: empty, or the line is cut short; download the file again")
        kind = "16 hexadecimal digits" if name == "common" else "a whole number"
        if not _is_whole(value, 16 if name == "common" else 10):
            return DataError(f"{where}, column `{name}`: expected {kind}, found `{value[:40]}`")
    return DataError(
        f"{where}: says {text['tokens']} features and lists {token_counts}; the line is damaged, download it again"
    )


def _is_whole(value: str, base: int) -> bool:
    try:
        return 0 <= int(value, base) < 2**63 * (2 if base == 16 else 1)
    except ValueError:
        return False
