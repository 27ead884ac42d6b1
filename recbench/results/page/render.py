"""The page as one HTML file: markup by Jinja2, styles, scripts and data inside."""

from __future__ import annotations

import statistics
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from recbench import __version__
from recbench.results.against import DataVersion, Match, match_tables
from recbench.results.leaderboard_rows import Column, LeaderboardRow, Method
from recbench.results.leaderboard_selection import is_usual
from recbench.results.leaderboard_tables import DatasetTables, FeedbackTable, arrange, meaning_of_bold, number_of_seeds
from recbench.results.marks import UserScores
from recbench.results.matrix.methods_by_datasets import matrices
from recbench.results.number_words import duration
from recbench.results.page.details import compact, details, matrix_details
from recbench.results.published.tables import tables as published_tables
from recbench.results.record import RunRecord
from recbench.results.setting_choice import RANKING, RETRIEVAL, name_of, purpose
from recbench.results.store import Store

FOLDER = Path(__file__).parent
SCRIPTS = (
    "vendor/chart.js/chart.umd.min.js",
    "vendor/chartjs-chart-error-bars/index.umd.min.js",
    "vendor/tablesort/tablesort.min.js",
    "vendor/tablesort/tablesort.number.min.js",
    "common.js",
    "charts.js",
    "provenance.js",
    "run.js",
    "matrix.js",
    "copy.js",
    "forest.js",
    "board.js",
)


def html(store: Store, rows: Sequence[LeaderboardRow], version: str = "") -> str:
    """Return the page of these rows of `collect_rows`, which come from `store`, but for those with runs deleted since.

    With `version`, a word for the state of the store, the page asks its server every few seconds whether that changed.
    Raises UsageError if no row is left.
    """
    digests = {digest for row in rows for digest in row.runs}
    records = {record.key.digest: record for record, _ in store.runs() if record.key.digest in digests}
    rows = [row for row in rows if records.keys() >= set(row.runs)]
    if not rows:
        raise store.no_runs()
    datasets = arrange(rows)
    positions = {(row.method, row.column): position for position, row in enumerate(rows)}
    found = matrices(rows, UserScores(store), metrics_asked=False)
    by_dataset = matrix_details(found, positions, datasets)
    return _page(
        version,
        datasets=datasets,
        rows=rows,
        positions=positions,
        by_dataset=by_dataset,
        meaning_of_bold=meaning_of_bold(rows),
        answers=answers(datasets),
        beside=_beside(rows, records),
        records=records,
        finished=max((record.finished for record in records.values()), default=""),
        choices=_choices(rows),
        methods=len({record.key.group for record in records.values()}),
        data=details(rows, records, datasets) | {"matrices": by_dataset, "version": version},
        message="",
    )


def message_page(message: str, version: str) -> str:
    """Return a page that says why there is no board yet, and asks again as `html` does."""
    nothing = compact([])
    empty: dict[str, Any] = dict.fromkeys(("cells", "definitions", "methods", "runs"), nothing)
    empty["compared"] = {}
    empty |= dict.fromkeys(("sections", "matrices", "epochs", "settings"), [])
    return _page(
        version,
        datasets=[],
        answers=[],
        by_dataset=[],
        rows=[],
        beside={},
        records={},
        finished="",
        choices={},
        methods=0,
        data=empty | {"version": version},
        message=message,
    )


def _beside(rows: Sequence[LeaderboardRow], records: Mapping[str, RunRecord]) -> dict[DataVersion, list[Match]]:
    """Return what stands beside published numbers, without those that were not run."""
    matches = match_tables(rows, published_tables().values(), records)
    return {version: [match for match in matched if match.position is not None] for version, matched in matches.items()}


def _page(version: str, **content: Any) -> str:
    scripts = [(FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS]
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "day": _day, "signed": _signed}
    environment.globals |= {
        "intervals": intervals,
        "training_seconds": training_seconds,
        "number_of_seeds": number_of_seeds,
    }
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment.get_template("board.html").render(
        **content,
        scripts=[Markup(script) for script in scripts],
        style=Markup((FOLDER / "board.css").read_text(encoding="utf-8")),
        policy=_policy(scripts, connect=bool(version)),
        recbench=__version__,
    )


@dataclass(frozen=True)
class Interval:
    """Mean - sd, mean and mean + sd in percent of the range that a column spans."""

    low: float
    mean: float
    high: float


def intervals(rows: Sequence[LeaderboardRow]) -> dict[Method, Interval]:
    """Return where the number of each method lies in its column; methods without one, or all alike, are left out."""
    ends = {row.method: (row.mean - (row.sd or 0), row.mean + (row.sd or 0)) for row in rows if row.mean is not None}
    lowest = min((low for low, _ in ends.values()), default=0.0)
    highest = max((high for _, high in ends.values()), default=0.0)
    if highest == lowest:
        return {}
    scale = 100 / (highest - lowest)
    return {
        row.method: Interval(
            *((value - lowest) * scale for value in (ends[row.method][0], row.mean, ends[row.method][1]))
        )
        for row in rows
        if row.mean is not None
    }


def training_seconds(table: FeedbackTable, records: Mapping[str, RunRecord]) -> dict[Method, float]:
    """Return the mean over all runs behind the numbers of each method."""
    return {
        method: statistics.fmean(
            records[digest].seconds for digest in {digest for row in cells.values() for digest in row.runs}
        )
        for method, cells in table.methods.items()
    }


def _policy(scripts: Sequence[str], connect: bool) -> str:
    """Return a content security policy: these scripts and no others run, and nothing is fetched from elsewhere."""
    hashes = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    allowed = "'self'" if connect else "'none'"
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; connect-src {allowed}; "
        "base-uri 'none'; form-action 'none'"
    )


def _choices(rows: Sequence[LeaderboardRow]) -> dict[str, list[str]]:
    """Return what can be filtered by, in the order of the board."""
    return {
        "dataset": list(dict.fromkeys(row.dataset for row in rows)),
        "feedback": list(dict.fromkeys(row.feedback for row in rows)),
        "metric": list(dict.fromkeys(row.metric for row in rows)),
        "loss": sorted({row.loss for row in rows}),
        "backbone": sorted({row.backbone for row in rows}),
    }


def _day(finished: str) -> str:
    when = datetime.fromisoformat(finished)
    return f"{when.day} {when:%B %Y, %H:%M} UTC"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True)
class Answer:
    """The best method of a column, and those that a test over users and seeds does not tell apart from it."""

    place: int  # of the dataset's section on the page
    column: Column
    row: LeaderboardRow
    alike: tuple[str, ...]  # names of other methods marked as best
    tested: bool  # whether there was such a test
    methods: int  # in the column

    @property
    def selected_otherwise(self) -> bool:
        """Whether a metric of another purpose selected its epochs and settings, as AUC before recall."""
        return purpose(self.row.select) != purpose(self.column.metric)


def answers(datasets: Sequence[DatasetTables]) -> list[Answer]:
    """Return an answer per dataset and feedback for retrieval and for ranking, where there are two methods or more."""
    found = []
    for place, dataset in enumerate(datasets):
        for table in dataset.tables.values():
            for column in _columns(table):
                rows = [row for row in table.columns[column] if row.chosen and row.mean is not None]
                if len(rows) > 1:
                    found.append(_answer(place, column, rows))
    return found


def _answer(place: int, column: Column, rows: Sequence[LeaderboardRow]) -> Answer:
    best, *others = rows
    name = best.method.name
    alike = dict.fromkeys(row.method.name for row in others if row.best and row.method.name != name)
    return Answer(place, column, best, tuple(alike), best.compared, len({row.method.name for row in rows}))


def _columns(table: FeedbackTable) -> Iterator[Column]:
    """Yield the column of the first metric of retrieval that there is, and of the first of ranking."""
    usual = [column for column in table.columns if is_usual(column)]
    for names in (RETRIEVAL, RANKING):
        yield from [column for name in names for column in usual if name_of(column.metric) == name][:1]
