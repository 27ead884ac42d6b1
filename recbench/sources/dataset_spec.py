"""What the catalogue says of a dataset: its files, columns, feedback, filters and splits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from recbench.errors import UsageError


@dataclass(frozen=True)
class Side:
    """The columns that describe a user or an item; without a key, a distinct row of features is an entity."""

    key: str | None = None
    categorical: tuple[str, ...] = ()
    numeric: tuple[str, ...] = ()
    bag: tuple[str, ...] = ()  # text: values joined by the dataset's bag_separator
    vector: tuple[str, ...] = ()  # text: numbers joined by the dataset's bag_separator, as many in every row
    file: str | None = None  # the features stand there, not in the log: a name or pattern as in `files`
    file_key: str | None = None  # what the key is called there, if not as in the log
    file_time: str | None = None  # since when a row of it holds; else each key stands on one row
    file_separator: str | None = None  # of its fields, if not as in the log
    # of features that vary between the rows of one key: all, each combination being an entity of its own, or the first
    # or last value of the train rows that is not empty
    changing: Literal["as of", "first", "last"] = "as of"

    @property
    def in_log(self) -> Side:
        """What the log itself has of this side: all, or the key alone."""
        return self if self.file is None else Side(self.key)

    @property
    def in_file(self) -> Side:
        """What the file has of this side, under the names of its columns there."""
        own = self.file_key or self.key

        def named(columns: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(own or name if name == self.key else name for name in columns)

        return Side(own, named(self.categorical), named(self.numeric), named(self.bag), named(self.vector))

    @property
    def settled(self) -> bool:
        """Whether features that vary between rows are made one value per key, by the train rows."""
        return self.changing != "as of"

    @property
    def features(self) -> tuple[str, ...]:
        """All feature columns, in the order in which they are stored."""
        return self.categorical + self.bag + self.numeric + self.vector

    @property
    def identity(self) -> tuple[str, ...]:
        """Key and features, each once: what tells two entities apart where there is no entity table."""
        return tuple(dict.fromkeys(((self.key,) if self.key else ()) + self.features))


@dataclass(frozen=True)
class RemoteFile:
    """One file to download: an archive or a raw file, from the first of its mirrors that delivers it."""

    file: str
    urls: tuple[str, ...]
    bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True)
class ExpectedCounts:
    """Counts of the complete data after the filters of the rule; those of the parts as rounded as they are printed."""

    rows: int | None = None
    users: int | None = None
    items: int | None = None
    positives: dict[str, int] | None = None
    train: int | str | None = None  # rows of the default split, also as "2.13M"; valid counts as train
    test: int | str | None = None
    source: str = ""  # the paper and table, where the counts are those of a paper


@dataclass(frozen=True)
class KCore:
    """Least numbers of rows: items with fewer are dropped, then users with fewer, again and again."""

    user: int = 1
    item: int = 1
    rounds: int | None = None  # until nothing changes


@dataclass(frozen=True)
class DatasetSpec:
    """One dataset of the catalogue, under one of its rules: what is dropped, what is feedback, how it is split."""

    name: str
    title: str
    reader: str  # module of recbench.readers
    feedback: dict[str, str]  # name -> SQL expression over the log's columns, true where the feedback was given
    user: Side
    item: Side
    more_feedback: dict[str, str] = field(default_factory=dict)  # left out unless `--feedback` names it
    licence: str = ""
    licence_page: str = ""  # to be accepted before the first download, where there is one
    citation: str = ""
    page: str = ""  # about the dataset, and where to log in for it
    files: tuple[str, ...] = ()  # reader `table` also takes patterns, such as "events-*.csv.gz"
    optional_files: tuple[str, ...] = ()
    given_files: tuple[str, ...] = ()  # needed for `--split given` only
    given: str = ""  # what the shipped split is
    download: tuple[RemoteFile, ...] = ()
    by_hand: dict[str, str] = field(default_factory=dict)  # file to get on the page -> its size in words
    time: str | None = None
    time_unit: str = "s"  # of numbers: s, ms, us or ns since 1970
    relative_time: bool = False  # whether times count from an unnamed moment in place of 1970
    time_format: str | None = None  # of text, such as "%d.%m.%Y %H:%M"; else ISO 8601; reader `table` only
    time_zone: str | None = None  # of text and dates that name none, such as "Europe/Berlin"; reader `table` only
    splits: tuple[str, ...] = ("global", "user", "leave-one-out", "days", "sessions", "date")  # the first: the default
    ratio: tuple[int, int, int] = (63, 7, 30)  # of train, valid and test; of `given` those of train and valid
    split_days: int = 1  # days of test, splits `days` and `sessions`
    split_date: date | None = None  # first day of test, split `date`
    rounding: str = "floor"  # of a user's train rows, split `user`: floor, round, or percent-rank as in Spark
    filter: str | None = None  # SQL expression: the log rows to keep
    weight: str | None = None  # SQL expression: how often each row counts where training is asked to use that
    distinct: bool = False  # only the first row of each user and item
    complete: bool = False  # only rows whose user and item lack no feature
    core: KCore | None = None
    min_count: int = 1  # categorical values on fewer train rows are unknown
    known_users: bool = False  # only rows whose user key is on min_count or more train rows; split `given`
    aggregates: dict[str, str] = field(default_factory=dict)  # feature -> why it knows of the test days
    columns: tuple[str, ...] = ()  # of files without a header, in order; reader `table` only
    types: dict[str, Literal["int", "float", "text"]] = field(default_factory=dict)  # of columns not to be guessed
    separator: str = ","  # of the fields; reader `table` only
    encoding: str = "utf-8"  # reader `table` only
    quote: str = '"'  # around fields that hold separators or line breaks; "" if there is none; reader `table` only
    decimal: str = "."  # before the fraction of a number, or ","; reader `table` only
    null_values: tuple[str, ...] = ()  # what stands for an empty field, such as "NA"; reader `table` only
    bag_separator: str = "|"
    expect: ExpectedCounts = ExpectedCounts()
    note: str = ""
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> keys of this table it replaces
    rule: str = "default"  # the name of this rule, of which `rules` are the others
    folder: Path | None = None  # folder of the user's own TOML, which its files are relative to

    @property
    def all_splits(self) -> tuple[str, ...]:
        """The splits of this rule, then those that other rules have."""
        of_rules = (split for rule in self.rules.values() for split in rule.get("splits", ()))
        return tuple(dict.fromkeys((*self.splits, *of_rules)))

    @property
    def tables(self) -> tuple[str, ...]:
        """Names or patterns of the files that describe users and items."""
        return tuple(dict.fromkeys(side.file for side in (self.user, self.item) if side.file is not None))

    @property
    def split(self) -> str:
        """The default split."""
        return self.splits[0]

    @cached_property
    def log_columns(self) -> tuple[str, ...]:
        """Columns that the feedback and filter expressions and the time need, each once.

        Raises UsageError if an expression cannot be parsed.
        """
        import polars as pl  # here, so that listing the catalogue stays fast

        named = {f"feedback `{name}`": sql for name, sql in self.feedback.items()}
        named |= {key: sql for key, sql in (("filter", self.filter), ("weight", self.weight)) if sql is not None}
        columns = [self.time] if self.time else []
        for what, sql in named.items():
            try:
                columns += pl.sql_expr(sql).meta.root_names()
            except pl.exceptions.PolarsError as error:
                reason = str(error).splitlines()[0]
                raise UsageError(
                    f'{self.name}: {what} = "{sql}" is not an SQL expression ({reason}); write it like "rating > 4"'
                ) from None
        return tuple(dict.fromkeys(columns))
