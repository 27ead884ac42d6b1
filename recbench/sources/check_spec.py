"""Whether what the catalogue says of a dataset can be meant."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path
from zoneinfo import available_timezones

import recbench
from recbench.errors import UsageError, unknown
from recbench.sources.dataset_spec import DatasetSpec, KCore, Side

NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"  # of datasets and rules, which become names of folders
RESERVED = ("user", "item", "level", "timestamp")
TIME_UNITS = ("s", "ms", "us", "ns")
ROUNDING = ("floor", "round", "percent-rank")
LONGEST_COLUMN = 200  # bytes of a feature's name, which becomes part of the name of a file
MAX_DAYS = 10**6  # of test
MOST_ROWS = 10**12  # that any log may have
MOST_FEEDBACK = 16  # the combinations of feedback on a row are counted


def check_spec(spec: DatasetSpec) -> DatasetSpec:
    """Return the dataset as it is; raises UsageError for a key whose value cannot be meant."""
    _check_names(spec)
    _check_files(spec)
    _check_feedback(spec)
    _check_splits(spec)
    _check_time_and_columns(spec)
    _check_counts(spec)
    for side, columns in (("user", spec.user), ("item", spec.item)):
        _check_side(f"{spec.name}.{side}", columns)
        _check_features(f"{spec.name}.{side}", columns, spec)
    return spec


def _refused(spec: DatasetSpec, reason: str) -> UsageError:
    return UsageError(f"{spec.name}: {reason}")


def _check_names(spec: DatasetSpec) -> None:
    for what, name in (("dataset", spec.name), *(("rule", rule) for rule in (spec.rule, *spec.rules))):
        if not re.fullmatch(NAME, name):
            raise _refused(
                spec,
                f"`{name[:40]}` cannot name a {what}; use up to 64 letters, digits, `-`, `_` and `.`, beginning with a "
                "letter or digit",
            )


def _check_files(spec: DatasetSpec) -> None:
    families = _methods_in("readers")
    if spec.reader not in families:
        raise _refused(spec, str(unknown("reader", spec.reader, families)))
    if not spec.files and spec.reader != "synthetic":
        raise _refused(spec, "no `files`; name those to read, relative to this catalogue or to --raw DIR")
    _check_text_layout(spec)


def _check_feedback(spec: DatasetSpec) -> None:
    if not spec.feedback:
        raise _refused(spec, 'no feedback; add one, as in feedback = { like = "rating > 4" }')
    if len(spec.feedback) > MOST_FEEDBACK:
        raise _refused(spec, f"{len(spec.feedback)} feedback types; recbench takes up to {MOST_FEEDBACK}")
    for name in spec.feedback:
        if not re.fullmatch(r"[A-Za-z]\w*", name) or name in RESERVED or name.startswith("truth_"):
            raise _refused(
                spec, f"`{name}` cannot name a feedback; use letters, digits and `_`, and none of {RESERVED}"
            )
    if spec.weight is not None and "weight" in spec.feedback:
        raise _refused(spec, "`weight` cannot name a feedback beside the weights of rows; rename the feedback")


def _check_splits(spec: DatasetSpec) -> None:
    splits = _methods_in("preparation/splits")
    if not spec.splits:
        raise _refused(spec, f"`splits` is empty; choose among {', '.join(splits)}")
    for split in spec.splits:
        if split not in splits:
            raise _refused(spec, str(unknown("split", split, splits)))
    if spec.split_date is not None and "date" not in spec.splits:
        raise _refused(spec, "`split_date` has no effect, as `splits` lacks `date`; put it first there")


def _check_time_and_columns(spec: DatasetSpec) -> None:
    if spec.time_unit not in TIME_UNITS:
        raise _refused(
            spec, f"`time_unit` must be {', '.join(TIME_UNITS[:-1])} or {TIME_UNITS[-1]}, not {spec.time_unit!r}"
        )
    if spec.time == "":
        raise _refused(spec, "`time` is empty; name the column of times, or leave it out")
    if spec.time_zone is not None and spec.time_zone not in available_timezones():
        raise _refused(spec, str(unknown("time zone", spec.time_zone, sorted(available_timezones()))))
    of_log = (*spec.user.in_log.identity, *spec.item.in_log.identity)
    lacking = [name for name in of_log if spec.columns and name not in spec.columns]
    if lacking:
        raise _refused(spec, str(unknown("column", lacking[0], spec.columns)))


def _check_counts(spec: DatasetSpec) -> None:
    if spec.rounding not in ROUNDING:
        raise _refused(spec, str(unknown("rounding", spec.rounding, ROUNDING)))
    core = spec.core or KCore()
    least = {"core.user": core.user, "core.item": core.item, "core.rounds": core.rounds, "min_count": spec.min_count}
    for key, number in least.items():
        if number is not None and not 1 <= number <= MOST_ROWS:
            raise _refused(spec, f"`{key}` is a whole number from 1 to {MOST_ROWS:,}, not {number}")
    if min(spec.ratio) < 1:
        raise _refused(
            spec, "`ratio` is three whole numbers of at least 1, those of train, valid and test, as in [8, 1, 1]"
        )
    if not 1 <= spec.split_days <= MAX_DAYS:
        raise _refused(spec, f"`split_days` is a whole number from 1 to {MAX_DAYS:,}, not {spec.split_days}")
    for count in (spec.expect.train, spec.expect.test):
        if isinstance(count, str) and not re.fullmatch(r"\d+(\.\d+)?[KM]", count):
            raise _refused(
                spec, f"`expect` has {count!r}, which is no count as papers print them, such as 2.13M or 9.8K"
            )


def _methods_in(folder: str) -> list[str]:
    """Return the names of the methods that a folder of the package holds, one file each, without importing them."""
    modules = pkgutil.iter_modules([str(Path(recbench.__file__).parent / folder)])
    names = [module.name for module in modules if not module.ispkg and module.name != "base"]
    return [name.rstrip("_").replace("_", "-") for name in names]


def _check_side(where: str, side: Side) -> None:
    if not side.identity:
        raise UsageError(f"{where}: needs a key or at least one feature column")
    for name in side.identity:
        if side.features.count(name) > 1:
            raise UsageError(f"{where}: the feature column `{name}` is listed twice; keep one kind of it")
        if not name.isprintable() or "/" in name or not 0 < len(name.encode()) <= LONGEST_COLUMN or name == "row":
            raise UsageError(
                f"{where}: a column cannot be called {name[:40]!r} (no `/` or control character, up to "
                f"{LONGEST_COLUMN} bytes, not `row`); rename it"
            )


def _check_features(where: str, side: Side, spec: DatasetSpec) -> None:
    """Raise UsageError for features of a file, or of several values a key, that cannot be meant."""
    if side.file is None:
        given = next((key for key in ("file_key", "file_time", "file_separator") if getattr(side, key) is not None), "")
        if given:
            raise UsageError(
                f'{where}: `{given}` is of a file; name it, as in file = "{where.rpartition(".")[2]}s.csv"'
            )
    elif spec.reader != "table":
        raise UsageError(f"{where}: `file` is for reader `table`; leave it out")
    elif side.key is None:
        raise UsageError(f"{where}: `file` needs a `key`, the column of the log by which its rows are found")
    elif side.file_time is not None and spec.time is None:
        raise UsageError(f"{where}: `file_time` needs a `time` of the log")
    elif side.settled and side.file_time is None:
        raise UsageError(
            f"{where}: `changing` has no effect on a file of one row per key; add `file_time`, or leave it out"
        )
    if side.settled and side.key is None:
        raise UsageError(f"{where}: `changing` needs a `key`")
    if side.settled and spec.complete:
        raise UsageError(f"{where}: `changing` and `complete` do not go together; leave one out")


def _check_text_layout(spec: DatasetSpec) -> None:
    """Raise UsageError for keys by which no text could be told apart."""
    if not spec.separator or not spec.bag_separator:
        raise UsageError(f"{spec.name}: `separator` and `bag_separator` cannot be empty")
    if len(spec.quote.encode()) > 1 or spec.quote in ("\n", "\r", " ", "\\", "^", "]", spec.separator):
        raise UsageError(f"{spec.name}: `quote` is one character that separates nothing, or empty, not {spec.quote!r}")
    if "\n" in spec.separator or "\r" in spec.separator or '"' in spec.separator:
        raise UsageError(f"{spec.name}: `separator` cannot hold line breaks or quotes, as {spec.separator!r} does")
    if spec.decimal not in (".", ",") or (spec.decimal == "," and spec.separator == ","):
        raise UsageError(
            f"{spec.name}: `decimal` is a point or a comma, and not the `separator`; with decimal commas say "
            'separator = ";"'
        )
    if spec.decimal == spec.bag_separator == ",":
        raise UsageError(f"{spec.name}: `decimal` and `bag_separator` are the same; set bag_separator to another one")
    for name in spec.columns:
        if spec.columns.count(name) > 1:
            raise UsageError(f"{spec.name}: `columns` names `{name}` twice; every field of a line needs its own name")
