"""What runs say together: the leaderboard, and whether methods differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import polars as pl

from recbench.api.arguments import data_name, names_of, own_store
from recbench.api.prepared import PreparedData
from recbench.api.public import public
from recbench.api.runs import Runs
from recbench.api.table import Table
from recbench.errors import UsageError
from recbench.results import leaderboard as board
from recbench.results.leaderboard_export import Form, export, frame
from recbench.results.leaderboard_rows import LeaderboardRow, collect_rows
from recbench.results.marks import with_shared_best
from recbench.results.store import Store
from recbench.study import compare as comparing

DIFFERENCE = {
    **dict.fromkeys(("metric", "feedback", "first", "second"), pl.String()),
    **dict.fromkeys(("value", "low", "high", "p", "corrected", "detectable"), pl.Float64()),
    "over": pl.String(),
    "different": pl.Boolean(),
    "signature": pl.String(),
}


ENDINGS: dict[str, Form] = {
    **{".html": "html", ".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json", ".parquet": "parquet"}
}


class Leaderboard(Table):
    """One row per method, metric and feedback: mean, standard deviation over seeds, signature, marks."""

    def __init__(self, rows: Sequence[LeaderboardRow], store: Store) -> None:
        super().__init__(frame(rows), board.terminal_table(rows))
        self._rows = rows
        self._store = store

    @public
    def write(self, path: str | Path) -> Path:
        """Write the board to a file, which says by its ending what it is, and return its path; `leaderboard -o`.

        Raises UsageError for another ending than .html, .md, .tex, .csv, .json and .parquet.

            rb.leaderboard("ml-1m").write("board.html")
        """
        file = Path(path).expanduser()
        if file.suffix not in ENDINGS:
            raise UsageError(f"path={file}: expected a name that ends in {', '.join(ENDINGS)}")
        export(ENDINGS[file.suffix], self._rows, self._store, file)
        return file


class Comparison(Table):
    """One row per pair of methods, metric and feedback: the difference, its 95 % interval, p, and p after Holm."""


@public
def leaderboard(
    dataset: PreparedData | str | None = None, metrics: str | Sequence[str] = (), *, every_setting: bool = True
) -> Leaderboard:
    """Return all evaluated runs, or those on a dataset or DATASET/SPLIT under these metrics; `leaderboard --all`.

    Without `every_setting`, of each method the setting that is best on validation rows: the rows that are `chosen`.

        rb.leaderboard("ml-1m", metrics="recall@20").to_polars().sort("mean")
    """
    store = own_store()
    rows = with_shared_best(collect_rows(store, data_name(dataset), names_of(metrics)), store)
    rows = rows if every_setting else [row for row in rows if row.chosen]
    return Leaderboard(rows, store)


@public
def compare(
    *methods: str | Runs, metrics: str | Sequence[str] = (), dataset: PreparedData | str | None = None
) -> Comparison:
    """Say whether methods differ: paired bootstrap over test users and seeds; `recbench compare`.

    Each is what `train` returned or a word that means one method, see `runs`; all of them evaluated before.
    Raises UsageError if they have no metric of one definition in common.

        rb.compare("gnolr", "bce", metrics="auc", dataset="ml-1m")
    """
    words = [method if isinstance(method, str) else _digest(method) for method in methods]
    store = own_store()
    chosen = comparing.methods(words, store, data_name(dataset))
    compared = comparing.compare_methods(chosen, names_of(metrics), store)
    rows = [
        {
            "metric": comparison.metric,
            "feedback": comparison.feedback,
            **asdict(difference),
            "different": difference.real,
            "signature": comparison.signature,
        }
        for comparison in compared
        for difference in comparison.differences
    ]
    return Comparison(pl.DataFrame(rows, schema=DIFFERENCE), comparing.table(compared))


def _digest(runs: Runs) -> str:
    if not isinstance(runs, Runs):
        given = type(runs).__name__
        raise UsageError(f'compare: expected Runs or a word for them, found {given}; a baseline is named, as "ease"')
    groups = {record.key.group for record in runs}
    if len(groups) != 1:
        raise UsageError("compare: runs of several methods, or none, where one method was expected")
    return runs[0].key.digest
