"""Numbers of the board beside those that papers print for the same method."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from recbench.evaluation.metric import parse
from recbench.results.board import Row
from recbench.results.published import OWNERS, Cell, Published, cells
from recbench.results.record import RunRecord
from recbench.settings import Value, split_words


@dataclass(frozen=True)
class Beside:
    """One published number and one of the board."""

    table: Published
    cell: Cell
    place: int  # of the row on the board
    row: Row
    mean: float
    reasons: tuple[str, ...]  # why the two are not the same quantity, as far as is known

    @property
    def difference(self) -> float:
        """What was measured less what was printed, as a fraction."""
        return self.mean - self.cell.value


def beside(
    rows: Sequence[Row], tables: Iterable[Published], records: Mapping[str, RunRecord]
) -> dict[tuple[str, str, str], list[Beside]]:
    """Return the pairs by dataset, split and fingerprint, in the order of the tables.

    A row matches where dataset, loss, backbone, metric, feedback and the settings of the loss are those of the paper,
    and, of metrics that rank candidates, which they are. How it was trained may differ, as may the data.
    """
    measured = defaultdict(list)
    for place, row in enumerate(rows):
        measured[row["dataset"], row["loss"], row["backbone"], row["metric"], row["feedback"]].append((place, row))
    found: dict[tuple[str, str, str], list[Beside]] = defaultdict(list)
    for table in tables:
        for cell in cells(table):
            name = str(replace(parse(cell.metric), by=cell.by))
            for place, row in measured[cell.dataset, cell.loss, cell.backbone, name, cell.feedback]:
                if row["mean"] is None or not _ranks_the_same(table, row) or not _is_method(cell, records[row["run"]]):
                    continue
                pair = Beside(table, cell, place, row, row["mean"], _reasons(table, cell, row))
                found[row["dataset"], row["split"], row["fingerprint"]].append(pair)
    return dict(found)


def _ranks_the_same(table: Published, row: Row) -> bool:
    words = dict(word.partition("=")[::2] for word in row["signature"].split("; "))
    if "candidates" not in words:
        return True
    if table.protocol.candidates == "test":
        return words["candidates"] == "rows of the user"
    seen = "kept" if words.get("seen") == "kept" else "removed"
    exact = words.get("search") == "exact"
    return words["candidates"].startswith("catalogue") and seen == table.protocol.seen and exact


def _is_method(cell: Cell, record: RunRecord) -> bool:
    """Whether the loss has the settings of the paper, and its defaults elsewhere."""
    wanted = {f"loss.{key}": word for key, word in split_words(list(cell.settings), OWNERS)["loss"].items()}
    changed = {name for name in record.non_default if name.startswith("loss.")}
    settings = record.key.settings
    return changed <= wanted.keys() and all(
        name in settings and _means(word, settings[name]) for name, word in wanted.items()
    )


def _means(word: str, value: Value) -> bool:
    if isinstance(value, bool | str):
        return word.lower() == str(value).lower()
    try:
        return float(word) == value
    except ValueError:
        return False


def _reasons(table: Published, cell: Cell, row: Row) -> tuple[str, ...]:
    data = table.datasets[cell.dataset]
    reasons = [*data.incomparable, *table.protocol.incomparable]
    if row["split"] != data.split:
        reasons.append(f"measured on {row['dataset']}/{row['split']}, the table is of {cell.dataset}/{data.split}")
    if set(row["trained_on"]) - set(data.feedback):
        reasons.append(f"trained on {', '.join(row['trained_on'])}, the paper on {', '.join(data.feedback)}")
    return tuple(reasons)
