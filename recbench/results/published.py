"""The tables of the papers, as printed, and how far a number of recbench compares with them."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from recbench.errors import DataError, UsageError, unknown
from recbench.evaluation.metric import Request, parse
from recbench.results.json_structs import decode
from recbench.settings import split_words

FOLDER = Path(__file__).with_name("papers")
WHOLE = {"fraction": 1, "percent": 100}  # the largest value in each unit
OWNERS = ("loss", "backbone", "train")  # of settings
REMEDY = "restore the file, or install recbench again"


@dataclass(frozen=True)
class Data:
    """One dataset of a table, under its name in the catalogue."""

    split: Literal["global", "user", "given", "random", "users"]
    feedback: tuple[str, ...]  # trained on, from dense to sparse
    incomparable: tuple[str, ...]  # why a number on it is not the same quantity here


@dataclass(frozen=True)
class Protocol:
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


@dataclass(frozen=True)
class Row:
    """One method with some settings; a method whose settings differ between datasets has several rows.

    `values` maps datasets to metrics to numbers as printed; a metric names its feedback unless there is only one.
    """

    method: str  # as the paper has it
    loss: str  # "" where recbench has none, or the paper does not say which
    backbone: str
    settings: tuple[str, ...]  # for `recbench train --set`
    values: dict[str, dict[str, Decimal]]


@dataclass(frozen=True)
class Published:
    """One table of a paper."""

    paper: str
    table: int
    citation: str
    section: str
    title: str
    compares: str
    notes: tuple[str, ...]
    protocol: Protocol
    datasets: dict[str, Data]
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """What the table is found by: "gnolr/table2"."""
        return f"{self.paper}/table{self.table}"


@dataclass(frozen=True)
class Cell:
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


def tables() -> dict[str, Published]:
    """Return all tables by name, papers by letter and tables by number.

    Raises UsageError that names the file if one is damaged.
    """
    found = sorted((_read(path) for path in FOLDER.glob("*.toml")), key=lambda table: (table.paper, table.table))
    return {table.name: table for table in found}


def find(name: str) -> Published:
    """Return one table; raises UsageError with the nearest name if there is none."""
    known = tables()
    if name not in known:
        raise unknown("published table", name, known)
    return known[name]


def cells(table: Published) -> Iterator[Cell]:
    """Yield the numbers of a table, in its order."""
    for row in table.rows:
        for dataset, values in row.values.items():
            for word, number in values.items():
                request = parse(word)
                yield Cell(
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


def listing() -> list[dict[str, object]]:
    """Return one object per table: name, about, datasets, metrics, methods (their number)."""
    return [
        {
            "name": table.name,
            "about": f"{table.title}: {table.compares}",
            "datasets": list(table.datasets),
            "metrics": list(table.protocol.metrics),
            "methods": len({row.method for row in table.rows}),
        }
        for table in tables().values()
    ]


def as_json(table: Published) -> dict[str, object]:
    """Return a table as a JSON object, its numbers as one list of `values`."""
    document = asdict(table)
    del document["rows"]
    return {"name": table.name, **document, "values": [asdict(cell) for cell in cells(table)]}


def rendered(table: Published) -> RenderableType:
    """Return a table for a rich console: methods by metrics, then what to train, and how the numbers came about."""
    return Group(
        Text(f"{table.name}: {table.title}", style="bold"),
        Text(f"{table.compares}; section {table.section} of {table.citation}\n", style="dim"),
        _Grids(table),
        _recipes(table),
        Text(),
        _facts(table),
    )


class _Grids:
    """Methods by metrics of datasets, in several tables where the console is too narrow for one."""

    def __init__(self, table: Published) -> None:
        self.lines: dict[str, dict[str, str]] = {}  # method → heading → as printed
        widths: dict[str, int] = {}
        for cell in cells(table):
            of_several = f"\n{cell.feedback}" if len(table.datasets[cell.dataset].feedback) > 1 else ""
            heading = f"{cell.dataset}\n{cell.metric}{of_several}"
            self.lines.setdefault(_method(table, cell), {})[heading] = cell.printed
            words = [cell.printed, *heading.split("\n")]
            widths[heading] = max(widths.get(heading, 0), *map(cell_len, words))
        order = list(table.datasets)
        headings = sorted(widths, key=lambda heading: order.index(heading.partition("\n")[0]))
        self.widths = {heading: widths[heading] for heading in headings}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        for headings in _fit(self.widths, options.max_width - max(map(cell_len, self.lines))):
            grid = _grid("method")
            for heading in headings:
                grid.add_column(Text(heading), justify="right", no_wrap=True)
            for name, line in self.lines.items():
                numbers = [line.get(heading, "") for heading in headings]
                if any(numbers):
                    grid.add_row(Text(name), *numbers)
            yield grid
            yield Text()


def _fit(widths: Mapping[str, int], free: int) -> Iterator[list[str]]:
    """Split the headings so that each part fits into so many cells, at least one in each."""
    taken: list[str] = []
    room = free
    for heading, width in widths.items():
        needed = 2 + width
        if taken and needed > room:
            yield taken
            taken, room = [], free
        taken.append(heading)
        room -= needed
    yield taken


def _recipes(table: Published) -> Table:
    grid = _grid("method", "--loss", "--set", "on")
    for row in table.rows:
        settings = " ".join(row.settings)
        grid.add_row(Text(_method(table, row)), row.loss or "-", Text(settings), ", ".join(row.values))
    return grid


def _facts(table: Published) -> Table:
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name in (
        "unit",
        "definition",
        "candidates",
        "seen",
        "split",
        "feedback",
        "selection",
        "seeds",
        "backbone",
        "training",
    ):
        grid.add_row(name, Text(str(getattr(table.protocol, name) or "not said")))
    for name, data in table.datasets.items():
        grid.add_row(name, Text(f"split {data.split}; trained on {', '.join(data.feedback)}"))
        for reason in data.incomparable:
            grid.add_row("  differs", Text(reason))
    for reason in table.protocol.incomparable:
        grid.add_row("differs", Text(reason))
    for note in table.notes:
        grid.add_row("note", Text(note))
    return grid


def _grid(*columns: str) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="")
    for column in columns:
        grid.add_column(column, overflow="fold")
    return grid


def _method(table: Published, of: Row | Cell) -> str:
    several = len({row.backbone for row in table.rows}) > 1
    return f"{of.method} × {of.backbone}" if several else of.method


def _read(path: Path) -> Published:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)  # Decimal keeps the digits
        table = decode(Published, document, str(path))
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


def _faults(table: Published, stem: str) -> Iterator[str]:
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
    found = list(cells(table))
    places = Counter((cell.method, cell.backbone, cell.dataset, cell.metric, cell.feedback) for cell in found)
    for place, count in places.items():
        if count > 1:
            yield f"{', '.join(place)}: {count} values, expected one"
    for dataset in table.datasets:
        if dataset not in {cell.dataset for cell in found}:
            yield f"no value on {dataset}"


def _fault(table: Published, dataset: str, request: Request, number: Decimal) -> str | None:
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
