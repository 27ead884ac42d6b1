"""What the columns of an unknown log mean: users, items, times, feedback, features, guessed from names and values."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec
import polars as pl

from recbench.errors import DataError, UsageError, require_known, unknown
from recbench.sources.catalog import choose_feedback
from recbench.sources.dataset_spec import DatasetSpec
from recbench.sources.guess_features import guess_features
from recbench.sources.guess_feedback import guess_feedback, plain, require_feedback_in_rows, sql_name
from recbench.sources.unknown_table import LOOK, Guess, numbers_of, read_start_of_table, unit_of

USERS = (
    *("user", "userid", "uid", "username", "customer", "customerid", "visitor", "visitorid", "client", "clientid"),
    *("buyer", "buyerid", "member", "memberid", "account", "accountid", "reviewer", "reviewerid", "person"),
    *("personid", "profile", "profileid", "session", "sessionid"),
)
ITEMS = (
    *("item", "itemid", "iid", "product", "productid", "sku", "movie", "movieid", "film", "video", "videoid", "song"),
    *("songid", "track", "trackid", "artist", "artistid", "parentasin", "asin", "article", "articleid", "book"),
    *("bookid", "isbn", "ad", "adid", "content", "contentid", "game", "gameid", "post", "photo", "offer", "poi"),
    *("location", "locationid"),
)
TIMES = (
    *("timestamp", "time", "ts", "timems", "timestampms", "datetime", "date", "eventtime", "createdat", "unixtime"),
    *("unixreviewtime", "occurredat", "checkintime"),
)
ISO_DATE = r"^\d{4}-\d{2}-\d{2}"
FORMATS = tuple(day + clock for day in ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y") for clock in ("", " %H:%M", " %H:%M:%S"))


@dataclass(frozen=True)
class Given:
    """What the user says of the columns; None or empty: guess."""

    user: str | None = None
    item: str | None = None
    time: str | None = None
    feedback: str | None = None  # names of feedback that would be guessed, or expressions, joined by commas
    users: Path | None = None  # a table of users, in place of what the log says of them
    items: Path | None = None


def guess_table(path: Path, given: Given = Given()) -> Guess:  # noqa: B008
    """Look at a log as CSV, TSV or the like, JSON Lines or Parquet and return how it would stand in the catalogue.

    Raises UsageError where a column cannot be guessed, and says which option names it; DataError for a file that
    cannot be read.
    """
    guess = Guess({"title": path.name, "reader": "table", "files": [str(path.resolve())]})
    frame = read_start_of_table(path, guess)
    if frame.is_empty():
        raise DataError(f"{path}: no rows, so that nothing can be guessed of its columns")
    user, item = _sides(frame, given)
    time = _time(frame, given.time, {user, item}, guess)
    if "time_format" in guess.table:  # so that rows can be put in order
        frame = frame.with_columns(pl.col(time or "").str.to_datetime(str(guess.table["time_format"])))
    rest = [name for name in frame.columns if name not in (user, item, time)]
    used = guess_feedback(frame, rest, guess)
    if given.feedback is not None:
        possible = msgspec.convert(
            guess.table | {"name": dataset_name(path), "user": {"key": user}, "item": {"key": item}}, DatasetSpec
        )
        chosen = choose_feedback(possible, given.feedback)
        missing = [column for column in chosen.log_columns if column not in frame.columns]
        if missing and len(frame) < LOOK:  # else later lines of JSON may have them
            raise unknown("column of --feedback", missing[0], frame.columns)
        if len(frame) < LOOK:  # else later rows may have it; of dates numbers are made only as they are prepared
            dates = [time] if time and numbers_of(frame[time]) is None else []
            require_feedback_in_rows(frame.drop(dates), chosen.feedback)
        guess.table["feedback"] = chosen.feedback
        used |= {*chosen.log_columns}
    elif not used:
        guess.lines.append(
            "no feedback is told apart: every row is an interaction; --feedback, as in "
            "--feedback \"view=COLUMN IN ('view', 'buy'),buy=COLUMN = 'buy'\", says what else there is"
        )
    _complete_rows(frame, [name for name in (user, item, time) if name], guess)
    _split(frame, user, time, guess)
    guess.lines.insert(0, f"user = {user}, item = {item}" + (f", time = {time}" if time else ", no time"))
    tables = {side: file for side, file in (("user", given.users), ("item", given.items)) if file is not None}
    guess_features(frame, {"user": user, "item": item}, [name for name in rest if name not in used], tables, guess)
    return guess


def catalogue_text(name: str, table: Mapping[str, object]) -> str:
    """Return a table of the catalogue as TOML."""
    lines = [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def dataset_name(path: Path, taken: Collection[str] = ()) -> str:
    """Return a name for the dataset of a file: the file's own, in letters, digits, `-` and `_`, if it is not taken.

    A name of a letter or two, as in u.data, has that of its folder before it.
    """
    stem = path.name.partition(".")[0]
    words = stem if len(stem) > 2 else f"{path.resolve().parent.name}-{stem}"
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", words).strip("-_")[:48] or "log"
    return f"{name}-log" if name in taken else name


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_toml_key(key)} = {_toml(member)}" for key, member in value.items()) + " }"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _sides(frame: pl.DataFrame, given: Given) -> tuple[str, str]:
    """Return the columns of users and items; raises UsageError for what is called neither, or both."""
    user = _role(frame, "user", given.user, USERS)
    item = _role(frame, "item", given.item, ITEMS, {user})
    if user is not None and item is not None:
        return user, item
    missing = [side for side, column in (("user", user), ("item", item)) if column is None]
    columns = "columns name" if len(missing) > 1 else "column names"
    options = " and ".join(f"--{side} COLUMN" for side in missing)
    free = ", ".join(name for name in frame.columns if name not in (user, item))
    raise UsageError(f"which {columns} the {' and the '.join(missing)}? Add {options}, one of {free}")


def _role(
    frame: pl.DataFrame, role: str, given: str | None, words: Sequence[str], taken: Collection[str | None] = ()
) -> str | None:
    """Return the column of users or items, None if no free one is called so."""
    if given is not None:
        _check_column(frame, role, given, taken)
        return given
    free = {plain(name): name for name in reversed(frame.columns) if name not in taken}
    return next((free[word] for word in words if word in free), None)


def _check_column(frame: pl.DataFrame, role: str, given: str, taken: Collection[str | None]) -> None:
    require_known(f"column of --{role}", [given], frame.columns)
    if given in taken:
        raise UsageError(f"--{role} {given}: the column of users or items already; name another")


def _time(frame: pl.DataFrame, given: str | None, taken: Collection[str], guess: Guess) -> str | None:
    """Return the column of times, if there is one, and note its unit."""
    if given is not None:
        _check_column(frame, "time", given, taken)
    named = {plain(name): name for name in frame.columns if name not in taken}
    called_so = [named[word] for word in TIMES if word in named]
    for name in [given] if given else chain(called_so, _moments(frame, taken)):
        if frame[name].dtype.is_temporal():
            guess.table["time"] = name
            return name
        numbers = numbers_of(frame[name])
        unit = None if numbers is None else unit_of(numbers)
        text = frame[name].cast(pl.String).drop_nulls()
        if unit is not None:
            guess.table |= {"time": name} | ({} if unit == "s" else {"time_unit": unit})
            guess.lines.append(f"{name} counts {unit} since 1970")
            return name
        if numbers is None and len(text) and text.str.contains(ISO_DATE + r"([T ].*)?$").all():
            guess.table["time"] = name
            return name
        if numbers is None and (written := _format_of(text)):
            guess.table |= {"time": name, "time_format": written}
            guess.lines.append(f"{name} is written as {written}")
            return name
        guess.lines.append(f"{name} is no time: neither a number of seconds or milliseconds since 1970 nor ISO 8601")
    if given is not None:
        raise UsageError(
            f"--time {given}: neither a number of seconds or milliseconds since 1970 nor ISO 8601; write it so, or say "
            "`time_format` in a catalogue of your own (docs/datasets.md)"
        )
    return None


def _moments(frame: pl.DataFrame, taken: Collection[str]) -> Iterator[str]:
    """Yield the column that has a date and a time of day on every row, if there is just one."""
    names = [name for name in frame.columns if name not in taken and _has_moments(frame[name].drop_nulls())]
    if len(names) == 1:
        yield names[0]


def _has_moments(values: pl.Series) -> bool:
    if values.dtype == pl.String and len(values):
        return bool(values.str.contains(ISO_DATE + r"[T ]\d{2}:\d{2}").all()) or ":" in _format_of(values)
    return isinstance(values.dtype, pl.Datetime)


def _format_of(text: pl.Series) -> str:
    """Return the format in which all values are dates; empty where there is none, or more than one, as of 1/2/2024."""
    fitting = [form for form in FORMATS if _all_dates(text.head(100), form) and _all_dates(text, form)]
    return fitting[0] if len(fitting) == 1 else ""


def _all_dates(text: pl.Series, form: str) -> bool:
    dates = text.str.to_datetime(form, strict=False)
    return len(dates) > 0 and bool((dates.dt.year() >= 1980).fill_null(value=False).all())  # 24 is no year


def _complete_rows(frame: pl.DataFrame, keys: Sequence[str], guess: Guess) -> None:
    """Leave out rows without a user, an item or a time."""
    lacking = frame.select(pl.any_horizontal(pl.col(name).is_null() for name in keys).sum()).item()
    if lacking or len(frame) == LOOK:
        guess.table["filter"] = " AND ".join(f"{sql_name(name)} IS NOT NULL" for name in keys)
    if lacking:
        guess.lines.append(f"{lacking:,} of {len(frame):,} rows lack {' or '.join(keys)} and are left out")


def _split(frame: pl.DataFrame, user: str, time: str | None, guess: Guess) -> None:
    """Cut by one moment, unless most users of the test rows would be new; without times at random."""
    if time is None or frame[time].drop_nulls().n_unique() < 2:
        guess.table["splits"] = ["random"]
        why = "there is no time" if time is None else "all times are equal"
        guess.lines.append(f"test rows are drawn at random, for {why}")
        return
    ordered = frame.select(user, time).drop_nulls().sort(time)
    cut = len(ordered) * 7 // 10
    known = ordered[cut:][user].is_in(ordered[:cut][user].unique().implode()).mean()
    share = float(known) if isinstance(known, int | float) else 0.0
    if share < 0.5:
        guess.table["splits"] = ["user", "global"]
        guess.lines.append(
            f"the last rows of every user are test: cut at one moment, {1 - share:.0%} of them were of new users"
        )
    else:
        guess.table["splits"] = ["global", "user"]
