"""Whether what the catalogue says of a dataset can be meant."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from zoneinfo import available_timezones

import recbench
from recbench.errors import UsageError, in_a_row, unknown
from recbench.settings import LIMITS
from recbench.sources.dataset_spec import DatasetSpec, KCore, Side

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"  # of datasets and rules, which become names of folders
RESERVED = ("user", "item", "level", "timestamp")
TIME_UNITS = ("s", "ms", "us", "ns")
ROUNDING = ("floor", "round", "percent-rank")
LONGEST_COLUMN = 200  # bytes of a feature's name, which becomes part of the name of a file
MAX_DAYS = LIMITS["--split-days"][1]
MOST_ROWS = 10**12  # that any log may have
MOST_FEEDBACK = 16  # the combinations of feedback on a row are counted


def check_spec(spec: DatasetSpec) -> DatasetSpec:
    """Return the dataset as it is; raises UsageError for a key whose value cannot be meant."""
    checks = (_names, _files, _text_layout, _feedback, _splits, _time_and_columns, _counts)
    found = [(spec.name, chain.from_iterable(check(spec) for check in checks))]
    for side, columns in (("user", spec.user), ("item", spec.item)):
        found.append((f"{spec.name}.{side}", chain(_columns(columns), _features(side, columns, spec))))
    for where, faults in found:
        for fault in faults:
            raise UsageError(f"{where}: {fault}")
    return spec


def _names(spec: DatasetSpec) -> Iterator[str]:
    for what, name in (("dataset", spec.name), *(("rule", rule) for rule in (spec.rule, *spec.rules))):
        if not re.fullmatch(NAME, name):
            yield (
                f"`{name[:40]}` cannot name a {what}; use up to 64 letters, digits, `-`, `_` and `.`, beginning with a "
                "letter or digit"
            )


def _files(spec: DatasetSpec) -> Iterator[str]:
    families = _methods_in("readers")
    if spec.reader not in families:
        yield str(unknown("reader", spec.reader, families))
    if not spec.files and spec.reader != "synthetic":
        yield "no `files`; name those to read, relative to this catalogue or to --raw DIR"


def _feedback(spec: DatasetSpec) -> Iterator[str]:
    if not spec.feedback:
        yield 'no feedback; add one, as in feedback = { like = "rating > 4" }'
    if len(spec.feedback) > MOST_FEEDBACK:
        yield f"{len(spec.feedback)} feedback types; recbench takes up to {MOST_FEEDBACK}"
    for name in spec.feedback:
        if not re.fullmatch(r"[A-Za-z]\w*", name) or name in RESERVED or name.startswith("truth_"):
            yield f"`{name}` cannot name a feedback; use letters, digits and `_`, and none of {RESERVED}"
    if spec.weight is not None and "weight" in spec.feedback:
        yield "`weight` cannot name a feedback beside the weights of rows; rename the feedback"


def _splits(spec: DatasetSpec) -> Iterator[str]:
    splits = _methods_in("preparation/splits")
    if not spec.splits:
        yield f"`splits` is empty; choose among {', '.join(splits)}"
    for split in spec.splits:
        if split not in splits:
            yield str(unknown("split", split, splits))
    if spec.split_date is not None and "date" not in spec.splits:
        yield "`split_date` has no effect, as `splits` lacks `date`; put it first there"


def _time_and_columns(spec: DatasetSpec) -> Iterator[str]:
    if spec.time_unit not in TIME_UNITS:
        yield f"`time_unit` must be {in_a_row(TIME_UNITS, 'or')}, not {spec.time_unit!r}"
    if spec.time == "":
        yield "`time` is empty; name the column of times, or leave it out"
    if spec.time_zone is not None and spec.time_zone not in available_timezones():
        yield str(unknown("time zone", spec.time_zone, sorted(available_timezones())))
    of_log = (*spec.user.in_log.identity, *spec.item.in_log.identity)
    lacking = [name for name in of_log if spec.columns and name not in spec.columns]
    if lacking:
        yield str(unknown("column", lacking[0], spec.columns))


def _counts(spec: DatasetSpec) -> Iterator[str]:
    if spec.rounding not in ROUNDING:
        yield str(unknown("rounding", spec.rounding, ROUNDING))
    core = spec.core or KCore()
    least = {"core.user": core.user, "core.item": core.item, "core.rounds": core.rounds, "min_count": spec.min_count}
    for key, number in least.items():
        if number is not None and not 1 <= number <= MOST_ROWS:
            yield f"`{key}` is a whole number from 1 to {MOST_ROWS:,}, not {number}"
    if min(spec.ratio) < 1:
        yield "`ratio` is three whole numbers of at least 1, those of train, valid and test, as in [8, 1, 1]"
    if not 1 <= spec.split_days <= MAX_DAYS:
        yield f"`split_days` is a whole number from 1 to {MAX_DAYS:,}, not {spec.split_days}"
    for count in (spec.expect.train, spec.expect.test):
        if isinstance(count, str) and not re.fullmatch(r"\d+(\.\d+)?[KM]", count):
            yield f"`expect` has {count!r}, which is no count as papers print them, such as 2.13M or 9.8K"


def _methods_in(folder: str) -> list[str]:
    """Return the names of the methods that a folder of the package holds, one file each, without importing them."""
    modules = pkgutil.iter_modules([str(Path(recbench.__file__).parent / folder)])
    names = [module.name for module in modules if not module.ispkg and module.name != "base"]
    return [name.rstrip("_").replace("_", "-") for name in names]


def _columns(side: Side) -> Iterator[str]:
    if not side.identity:
        yield "needs a key or at least one feature column"
    for name in side.identity:
        if side.features.count(name) > 1:
            yield f"the feature column `{name}` is listed twice; keep one kind of it"
        if not name.isprintable() or "/" in name or not 0 < len(name.encode()) <= LONGEST_COLUMN or name == "row":
            yield (
                f"a column cannot be called {name[:40]!r} (no `/` or control character, up to "
                f"{LONGEST_COLUMN} bytes, not `row`); rename it"
            )


def _features(name: str, side: Side, spec: DatasetSpec) -> Iterator[str]:
    """Yield what is wrong with features of a file, or of several values a key, that cannot be meant."""
    if side.file is None:
        given = next((key for key in ("file_key", "file_time", "file_separator") if getattr(side, key) is not None), "")
        if given:
            yield f'`{given}` is of a file; name it, as in file = "{name}s.csv"'
    elif spec.reader != "table":
        yield "`file` is for reader `table`; leave it out"
    elif side.key is None:
        yield "`file` needs a `key`, the column of the log by which its rows are found"
    elif side.file_time is not None and spec.time is None:
        yield "`file_time` needs a `time` of the log"
    elif side.settled and side.file_time is None:
        yield "`changing` has no effect on a file of one row per key; add `file_time`, or leave it out"
    if side.settled and side.key is None:
        yield "`changing` needs a `key`"
    if side.settled and spec.complete:
        yield "`changing` and `complete` do not go together; leave one out"


def _text_layout(spec: DatasetSpec) -> Iterator[str]:
    """Yield what is wrong with keys by which no text could be told apart."""
    if not spec.separator or not spec.bag_separator:
        yield "`separator` and `bag_separator` cannot be empty"
    if len(spec.quote.encode()) > 1 or spec.quote in ("\n", "\r", " ", "\\", "^", "]", spec.separator):
        yield f"`quote` is one character that separates nothing, or empty, not {spec.quote!r}"
    if "\n" in spec.separator or "\r" in spec.separator or '"' in spec.separator:
        yield f"`separator` cannot hold line breaks or quotes, as {spec.separator!r} does"
    if spec.decimal not in (".", ",") or (spec.decimal == "," and spec.separator == ","):
        yield '`decimal` is a point or a comma, and not the `separator`; with decimal commas say separator = ";"'
    if spec.decimal == spec.bag_separator == ",":
        yield "`decimal` and `bag_separator` are the same; set bag_separator to another one"
    for name in spec.columns:
        if spec.columns.count(name) > 1:
            yield f"`columns` names `{name}` twice; every field of a line needs its own name"
