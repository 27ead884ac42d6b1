"""The tables of the papers, as printed, and why a number of recbench may not compare with them."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

from recbench.errors import DataError, UsageError, require_known
from recbench.evaluation.request import Request, parse
from recbench.results.json_structs import decode
from recbench.settings import split_words

FOLDER = Path(__file__).with_name("papers")
WHOLE = {"fraction": 1, "percent": 100}  # the largest value in each unit
OWNERS = ("loss", "backbone", "train")  # of settings
SELECTED_ON_TEST = "selected on the test rows in print, so that it is an upper end; recbench selects on validation"
REMEDY = "restore the file, or install recbench again"


@dataclass(frozen=True)
class PublishedDataset:
    """One dataset of a table, under its name in the catalogue."""

    split: Literal["global", "user", "given", "random", "users", "leave-one-out"]
    feedback: tuple[str, ...]  # trained on, from dense to sparse
    incomparable: tuple[str, ...]  # why a number on it is not the same quantity here
    rule: str | None = None  # of the catalogue, unless the dataset's default

    def data(self, name: str) -> str:
        """Return DATASET/SPLIT of the data as `recbench prepare` makes them, of a dataset of this name."""
        return f"{name}/{self.split}" + (f"+{self.rule}" if self.rule else "")


@dataclass(frozen=True)
class LoggedBest:
    """The best validation number in a log of the authors, and the test number it is printed as."""

    log: str  # where it was found
    metric: str
    validation: Decimal
    test: Decimal

    @property
    def equal(self) -> bool:
        """Whether both are the same to every digit, four at least, as where validation was on the test rows."""
        return self.validation.as_tuple() == self.test.as_tuple() and len(self.test.as_tuple().digits) >= 4


@dataclass(frozen=True)
class PublishedProtocol:
    """How the numbers of a table came about; what is not a name is a sentence."""

    split: str
    feedback: str  # what counts as positive
    metrics: tuple[str, ...]  # without feedback: "auc", "recall@50"
    definition: str  # the paper's, of the metrics
    unit: Literal["fraction", "percent"]
    candidates: Literal["catalogue", "test"]  # as for `recbench eval --candidates`; test where rows are scored
    seen: Literal["removed", "kept"]  # whether what a user has had stays among the candidates
    selection: str  # how the epoch was chosen
    seeds: int  # runs that a value is the mean of; 0 where the paper does not say
    backbone: str
    training: str
    incomparable: tuple[str, ...]  # why no number of the table is the same quantity here
    test_selected: bool = False  # whether epoch or settings were chosen on the test rows, as far as is known
    logged: tuple[LoggedBest, ...] = ()

    @property
    def selected_on_test(self) -> str:
        """Why the numbers were chosen on the test rows, in words, or ""."""
        if self.test_selected:
            return SELECTED_ON_TEST
        for best in self.logged:
            if best.equal:
                return (
                    f"{SELECTED_ON_TEST} ({best.metric} {best.validation} is both the best on validation and on test)"
                )
        return ""


@dataclass(frozen=True)
class PublishedMethod:
    """One method with some settings; a method whose settings differ between datasets has several rows.

    `values` maps datasets to metrics to numbers as printed; a metric names its feedback unless there is only one.
    """

    method: str  # as the paper has it
    loss: str  # "" where recbench has none, or the paper does not say which
    backbone: str
    settings: tuple[str, ...]  # for `recbench train --set`
    values: dict[str, dict[str, Decimal]]


@dataclass(frozen=True)
class PublishedTable:
    """One table of a paper."""

    paper: str
    table: int
    citation: str
    section: str
    title: str
    compares: str
    notes: tuple[str, ...]
    protocol: PublishedProtocol
    datasets: dict[str, PublishedDataset]
    rows: tuple[PublishedMethod, ...]
    further: tuple[int, ...] = ()  # tables of the paper whose rows are here too

    @property
    def name(self) -> str:
        """What the table is found by: "gnolr/table2", or "gnolr/table2+11" where another is joined to it."""
        return "+".join([f"{self.paper}/table{self.table}", *map(str, self.further)])

    def incomparable(self, dataset: str) -> tuple[str, ...]:
        """Return why no number on a dataset of the table is the same quantity here, whatever it is measured on."""
        selected = filter(None, (self.protocol.selected_on_test,))
        return *self.datasets[dataset].incomparable, *self.protocol.incomparable, *selected


@dataclass(frozen=True)
class PublishedCell:
    """One published number."""

    method: str
    loss: str
    backbone: str
    settings: tuple[str, ...]
    dataset: str
    metric: str  # "recall@50"
    feedback: str
    by: str | None  # feedback whose scores rank, if it is another
    printed: str
    value: float  # a fraction, whatever the unit of the table

    @property
    def measured_as(self) -> str:
        """The metric as values of runs have it, with what it is ranked by but without its feedback: "recall@50:buy"."""
        return self.metric + (f":{self.by}" if self.by else "")


def tables() -> dict[str, PublishedTable]:
    """Return all tables by name, papers by letter and tables by number.

    Raises UsageError that names the file if one is damaged.
    """
    read = sorted((_read(path) for path in FOLDER.glob("*.toml")), key=lambda table: (table.paper, table.table))
    return {table.name: table for table in read}


def find_table(name: str) -> PublishedTable:
    """Return one table; raises UsageError with the nearest name if there is none."""
    known = tables()
    require_known("published table", [name], known, listed_by="recbench papers")
    return known[name]


def cells(table: PublishedTable) -> Iterator[PublishedCell]:
    """Yield the numbers of a table, in its order."""
    for row in table.rows:
        for dataset, values in row.values.items():
            for word, number in values.items():
                request = parse(word)
                yield PublishedCell(
                    method=row.method,
                    loss=row.loss,
                    backbone=row.backbone,
                    settings=row.settings,
                    dataset=dataset,
                    metric=_bare(request),
                    feedback=request.feedback or table.datasets[dataset].feedback[0],
                    by=request.by,
                    printed=str(number),
                    value=float(number / WHOLE[table.protocol.unit]),
                )


def listing(paper: str = "") -> list[dict[str, object]]:
    """Return one object per table, or table of one paper: name, about, datasets, metrics, methods (their number)."""
    return [
        {
            "name": table.name,
            "about": f"{table.title}: {table.compares}",
            "datasets": list(table.datasets),
            "metrics": list(table.protocol.metrics),
            "methods": len({row.method for row in table.rows}),
        }
        for table in tables().values()
        if not paper or table.name.startswith(f"{paper}/")
    ]


def as_json(table: PublishedTable) -> dict[str, object]:
    """Return a table as a JSON object, its numbers as one list of `values`."""
    document = asdict(table)
    del document["rows"]
    document["protocol"]["logged"] = [
        {"log": best.log, "metric": best.metric, "validation": str(best.validation), "test": str(best.test)}
        for best in table.protocol.logged
    ]
    document["protocol"]["selected_on_test"] = table.protocol.selected_on_test
    return {"name": table.name, **document, "values": [asdict(cell) for cell in cells(table)]}


@cache  # nothing changes the file while a process runs
def _read(path: Path) -> PublishedTable:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)  # Decimal keeps the digits
        table = decode(PublishedTable, document, str(path))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: not a readable TOML file ({error}); {REMEDY}") from None
    except DataError as error:
        raise UsageError(f"{error}; {REMEDY}") from None
    try:
        fault = next(_faults(table, path.stem), None)
    except UsageError as error:
        fault = str(error)
    if fault is not None:
        raise UsageError(f"{path}: {fault}; {REMEDY}")
    return table


def _faults(table: PublishedTable, stem: str) -> Iterator[str]:
    """Yield what the types of the fields let through; raises UsageError for words that cannot be parsed."""
    if stem != table.name.replace("/", "-"):
        yield f"holds {table.name}, which belongs in {table.name.replace('/', '-')}.toml"
    if table.protocol.seeds < 0:
        yield f"seeds = {table.protocol.seeds}, expected a count, or 0 where there is none"
    for metric in table.protocol.metrics:
        parse(metric)
    for row in table.rows:
        split_words(list(row.settings), OWNERS)
        for dataset, values in row.values.items():
            for word, number in values.items():
                fault = _fault(table, dataset, parse(word), number)
                if fault:
                    yield f"{row.method}, {dataset}, {word}: {fault}"
    counts = Counter((cell.method, cell.backbone, cell.dataset, cell.metric, cell.feedback) for cell in cells(table))
    for words, count in counts.items():
        if count > 1:
            yield f"{', '.join(words)}: {count} values, expected one"
    for dataset in table.datasets:
        if dataset not in {words[2] for words in counts}:
            yield f"no value on {dataset}"


def _fault(table: PublishedTable, dataset: str, request: Request, number: Decimal) -> str | None:
    if dataset not in table.datasets:
        return f"there is no [datasets.{dataset}]"
    trained = table.datasets[dataset].feedback
    if _bare(request) not in table.protocol.metrics:
        return f"not one of the metrics {', '.join(table.protocol.metrics)}"
    if not {request.feedback, request.by} - {None} <= set(trained) or (request.feedback is None and len(trained) != 1):
        return f"expected a feedback among {', '.join(trained)}"
    largest = WHOLE[table.protocol.unit]
    if not number.is_finite() or not 0 <= number <= largest:
        return f"{number} is not between 0 and {largest}"
    return None


def _bare(request: Request) -> str:
    return str(replace(request, feedback=None, by=None))
