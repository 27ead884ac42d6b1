"""The rows of the leaderboard for other programs and for the browser: Markdown, CSV, JSON, HTML, Parquet."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_type_hints

import msgspec
import polars as pl

from recbench.errors import DataError
from recbench.results.csv_text import as_csv
from recbench.results.files import temporary_beside
from recbench.results.leaderboard import markdown
from recbench.results.leaderboard_latex import latex
from recbench.results.leaderboard_rows import COLUMNS, LeaderboardRow
from recbench.results.store import Store
from recbench.terminal import as_json_text, print_text

if TYPE_CHECKING:
    from recbench.results.published.row import PublishedRow
    from recbench.results.published.tables import PublishedTable

Form = Literal["markdown", "latex", "csv", "json", "html", "parquet"]


def export(
    form: Form,
    rows: Sequence[LeaderboardRow],
    store: Store,
    path: Path | None,
    note: str = "",
    beside: Sequence[str] | None = None,
) -> None:
    """Write rows, which come from `store`, to a file that appears whole or not at all, or to stdout.

    A `note` stands below tables for people; `beside`, what stands beside the metrics in Markdown and LaTeX.
    Raises DataError if the file cannot be written.
    """
    if form == "parquet":
        content = parquet(rows)
    elif form == "json":
        content = as_json_text([msgspec.structs.asdict(row) for row in rows]).encode() + b"\n"
    elif form == "html":
        from recbench.results.page.render import html  # loads torch, which the other forms do without

        content = html(store, rows).encode()
    elif form == "latex":
        content = (latex(rows, note) if beside is None else latex(rows, note, beside)).encode()
    elif form == "markdown":
        content = (markdown(rows, note) if beside is None else markdown(rows, note, beside)).encode()
    else:
        content = csv(rows).encode()
    if path is None and form == "parquet":
        sys.stdout.buffer.write(content)
    else:
        deliver(content, path)


def write_page(store: Store, dataset: str) -> Path:
    """Write the page of one dataset into the folder of results, `<dataset>.html`, and return where it is."""
    from recbench.results.leaderboard_rows import collect_rows
    from recbench.results.marks import with_shared_best
    from recbench.results.page.render import html

    path = store.root / f"{dataset}.html"
    _write(html(store, with_shared_best(collect_rows(store, dataset), store)).encode(), path)
    return path


def export_published(
    form: Literal["markdown", "csv", "json"], table: PublishedTable, rows: Sequence[PublishedRow], path: Path | None
) -> None:
    """Write a published table beside what was measured, as `export` writes the leaderboard."""
    from recbench.results.published.row import rows_as_csv, rows_as_json, rows_markdown

    if form == "json":
        document = {"table": table.name, "lines": rows_as_json(rows)}
        text = as_json_text(document) + "\n"
    else:
        text = rows_markdown(rows) if form == "markdown" else rows_as_csv(rows)
    deliver(text.encode(), path)


def csv(rows: Sequence[LeaderboardRow]) -> str:
    """Return the rows of `collect_rows` as CSV, without the curve."""
    return as_csv([{name: getattr(row, name) for name in COLUMNS} for row in rows], COLUMNS)


def deliver(content: bytes, path: Path | None) -> None:
    """Write to a file that appears whole or not at all, or to stdout; raises DataError if it cannot be written."""
    if path is None:
        print_text(content.decode(), end="")
    else:
        _write(content, path)
        print_text(f"{path}: {len(content) / 1024:,.0f} KiB", stderr=True)


def parquet(rows: Sequence[LeaderboardRow]) -> bytes:
    """Return the rows of `collect_rows` as a Parquet file with the columns of `LeaderboardRow`, but for the curve."""
    file = BytesIO()
    frame(rows).write_parquet(file)
    return file.getvalue()


def frame(rows: Sequence[LeaderboardRow]) -> pl.DataFrame:
    """Return the rows of `collect_rows` as a data frame with the columns of `LeaderboardRow`, but for the curve."""
    types = get_type_hints(LeaderboardRow) | {"values": list[float]}  # any of which may be None
    schema = {name: types[name] for name in COLUMNS}
    return pl.DataFrame([{name: getattr(row, name) for name in COLUMNS} for row in rows], schema=schema)


def _write(content: bytes, path: Path) -> None:
    try:
        with temporary_beside(path) as temporary:
            temporary.write_bytes(content)
            os.replace(temporary, path)  # noqa: PTH105 (as in results.files)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); choose another -o") from error
