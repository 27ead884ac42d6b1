"""What is recorded of a prepared dataset in its `manifest.json`, as strictly checked structs."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from recbench.sources.dataset_spec import KCore, Side
from recbench.sources.raw_files import RawFile

Part = Literal["train", "valid", "test"]
HeldOutPart = Literal["valid", "test"]
EntitySide = Literal["users", "items"]
Count = Annotated[int, Meta(ge=0)]
Numbered = Annotated[int, Meta(ge=0, lt=1 << 31)]  # how many there are of what has numbers of 32 bits
Share = Annotated[float, Meta(ge=0, le=1)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]

PARTS: tuple[Part, ...] = get_args(Part)
HELD_OUT: tuple[HeldOutPart, ...] = get_args(HeldOutPart)
SIDES: tuple[EntitySide, ...] = get_args(EntitySide)
FORMAT = 4  # of the folder and its rules; with another one every dataset is prepared again


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature of an entity table. Id 0 means unknown, or padding in a bag."""

    name: str
    kind: Literal["categorical", "numeric", "bag", "vector"]
    size: Numbered  # number of ids, 0 included; 0 for a vector
    width: Annotated[int, Meta(ge=1)] = 1  # 1, the longest bag, or the numbers of a vector


class EntityTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table of all users or all items."""

    count: Numbered  # entities
    keys: Numbered  # distinct keys: fewer than entities where features vary from row to row
    seen: Numbered  # the first `seen` entities occur in train
    columns: tuple[Column, ...]
    undescribed: Count = 0  # entities that the table of their features lacks

    def __post_init__(self) -> None:
        if not (self.seen <= self.count and self.keys <= self.count):
            raise ValueError(f"{self.seen} entities in train and {self.keys} keys among {self.count} entities")
        if len({column.name for column in self.columns}) != len(self.columns):
            raise ValueError("a column is named twice")


class Unseen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Users or items of a part that do not occur in train."""

    distinct: Count
    rows: Count  # on which they stand


class CountCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The counts that a catalogue or paper gives of the complete data, beside those found."""

    expected: dict[str, Count | str]  # a string is rounded as printed, such as "2.13M"
    found: dict[str, Count]
    matches: bool | None  # None where nothing is expected
    source: str = ""  # the paper and table


class Finding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one rule of the leak certificate found; a `note` is worth knowing, `broken` is a leak."""

    rule: str
    status: Literal["ok", "note", "broken"]
    message: str  # one sentence with the numbers
    numbers: dict[str, int | float]


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What preparing took."""

    seconds: Annotated[float, Meta(ge=0)]
    peak_bytes: Count
    max_memory: Count  # bytes allowed


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that decides what is prepared, apart from the files."""

    split: str
    rows: Count | None  # of generated data
    seed: Count
    rule: str
    reader: str
    feedback: dict[str, str]
    filter: str | None
    distinct: bool
    complete: bool
    core: KCore | None
    min_count: Count
    known_users: bool
    ratio: tuple[Count, Count, Count]
    rounding: str
    time: str | None
    time_unit: str
    columns: tuple[str, ...]
    types: dict[str, str]
    separator: str
    encoding: str
    bag_separator: str
    user: Side
    item: Side
    # what came later has a default, so that what was prepared before is still known
    time_format: str | None = None
    time_zone: str | None = None
    quote: str = '"'
    decimal: str = "."
    null_values: tuple[str, ...] = ()
    split_days: Annotated[int, Meta(ge=1)] | None = None  # None where the split has no use for it
    split_date: date | None = None
    weight: str | None = None  # how often each row counts, as an expression; then it is a column of every part


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that is known of a prepared folder. Times are in the unit of the log, since 1970."""

    format: Literal[4] = 4
    dataset: str
    split: str  # the folder's name: the split, and what differs from the catalogue
    new_test_users: bool  # whether users of valid and test have no train rows
    title: str
    licence: str
    citation: str
    note: str
    aggregates: dict[str, str]  # feature -> why it knows of the test days
    fingerprint: Sha256
    feedback: tuple[str, ...]  # T names, from dense to sparse on train
    rows: dict[Part, Count]
    rates: dict[Part, dict[str, Share]]  # share of the part's rows that give each feedback
    level_rates: tuple[Share, ...]  # share of train rows that reach level c = 1..T
    thresholds: tuple[float | None, ...]  # ln((1 - rate) / rate) of each level; None where every row reaches it
    truth: bool  # whether the true probabilities are stored
    unnested: Share  # share of all rows that give some feedback but not a denser one
    users: EntityTable
    items: EntityTable
    new: dict[HeldOutPart, dict[EntitySide, Unseen]]
    time: dict[Part, tuple[int, int]] | None  # first and last moment of each part
    edges: dict[Literal["user", "item"], dict[str, tuple[float, ...]]]  # of the buckets of each numeric feature
    counts: CountCheck
    sources: tuple[RawFile, ...]
    absent: tuple[str, ...]  # optional raw files that were not found
    options: Options
    rules: tuple[str, ...]  # what was done, in order, as sentences
    created: str
    versions: dict[str, str]
    certificate: tuple[Finding, ...] = ()
    cost: Cost = Cost(0, 0, 0)
    files: dict[str, Sha256] = {}  # SHA-256 of every other file of the folder

    def __post_init__(self) -> None:
        tasks = len(self.feedback)
        if len({*self.feedback}) != tasks:
            raise ValueError("a feedback type is named twice")
        if not tasks or not len(self.level_rates) == len(self.thresholds) == tasks:
            raise ValueError("as many level rates and thresholds as feedback types are needed, and at least one")
        for parts in (set(self.rows), set(self.rates), set(PARTS if self.time is None else self.time)):
            if parts != set(PARTS):
                raise ValueError("a part is missing")
        if set(self.new) != {"valid", "test"} or any(set(by_side) != set(SIDES) for by_side in self.new.values()):
            raise ValueError("`new` lacks a part or a side")
        edges = {(side, name) for side, by_name in self.edges.items() for name in by_name}
        if set(self.edges) != {"user", "item"} or edges != set(self._numeric()):
            raise ValueError("the bucket edges are not those of the numeric features")

    def entities(self, side: EntitySide) -> EntityTable:
        """Return what is recorded of the users or the items."""
        return self.users if side == "users" else self.items

    def edges_of(self, side: EntitySide, column: str) -> tuple[float, ...]:
        """Return the bucket edges of a numeric feature."""
        return self.edges["user" if side == "users" else "item"][column]

    def _numeric(self) -> list[tuple[str, str]]:
        sides = (("user", self.users), ("item", self.items))
        return [(side, column.name) for side, table in sides for column in table.columns if column.kind == "numeric"]
