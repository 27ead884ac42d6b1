"""The rows of the leaderboard for other programs and for the browser: Markdown, CSV, JSON, HTML, Parquet."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Literal

import polars as pl

from recbench.errors import DataError
from recbench.results import leaderboard
from recbench.results.leaderboard_rows import COLUMNS, Row
from recbench.results.store import Store

if TYPE_CHECKING:
    from recbench.results.published import Published
    from recbench.results.published_row import Line

WORDS = ("dataset", "split", "fingerprint", "loss", "backbone", "settings", "metric", "feedback", "signature", "run")
SCHEMA = {
    **dict.fromkeys(WORDS, pl.String()),
    **dict.fromkeys(("mean", "sd", "bound", "seconds"), pl.Float64()),
    "values": pl.List(pl.Float64()),
    **dict.fromkeys(("runs", "trained_on"), pl.List(pl.String())),
    "seeds": pl.Int64(),
    "tested": pl.Int64(),
    "best": pl.Boolean(),
    "compared": pl.Boolean(),
    "below": pl.String(),
}


def export(
    form: Literal["markdown", "csv", "json", "html", "parquet"], rows: Sequence[Row], store: Store, path: Path | None
) -> None:
    """Write the rows of `board`, which come from `store`, to a file that appears whole or not at all, or to stdout.

    Raises DataError if the file cannot be written.
    """
    if form == "parquet":
        content = parquet(rows)
    elif form == "json":
        content = json.dumps(leaderboard.json(rows), indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    elif form == "html":
        from recbench.results.page.render import html  # loads torch, which the other forms do without

        content = html(store, rows).encode()
    else:
        content = (leaderboard.markdown(rows) if form == "markdown" else leaderboard.csv(rows)).encode()
    if path is None and form == "parquet":
        sys.stdout.buffer.write(content)
    else:
        _deliver(content, path)


def export_lines(
    form: Literal["markdown", "csv", "json"], table: Published, lines: Sequence[Line], path: Path | None
) -> None:
    """Write a published table beside what was measured, as `export` writes the board."""
    from recbench.results.published_row import lines_csv, lines_json, lines_markdown

    if form == "json":
        document = {"table": table.name, "lines": lines_json(lines)}
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    else:
        text = lines_markdown(lines) if form == "markdown" else lines_csv(lines)
    _deliver(text.encode(), path)


def _deliver(content: bytes, path: Path | None) -> None:
    if path is None:
        print(content.decode(), end="")  # in the encoding of the console
    else:
        _write(content, path)
        print(f"{path}: {len(content) / 1024:,.0f} KiB", file=sys.stderr)


def parquet(rows: Sequence[Row]) -> bytes:
    """Return the rows of `board` as a Parquet file with the columns of `Row`, but for the curve."""
    file = BytesIO()
    schema = {name: SCHEMA[name] for name in COLUMNS}
    pl.DataFrame([{name: dict(row)[name] for name in COLUMNS} for row in rows], schema=schema).write_parquet(file)
    return file.getvalue()


def _write(content: bytes, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{token_hex(4)}.tmp")
    try:
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)  # noqa: PTH105 (as in results.files)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); choose another -o") from error
