"""What feedback the columns of an unknown log may say, and whether its rows hold what is asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import polars as pl

from recbench.errors import NEAREST, UsageError, first_few, suggestion
from recbench.sources.check_spec import RESERVED
from recbench.sources.unknown_table import LOOK, MOST_STEPS, Guess, numbers_of

EVENTS = (
    *("event", "eventtype", "eventname", "action", "actiontype", "behavior", "behaviour", "behaviortype"),
    *("interaction", "interactiontype", "activity", "type"),
)
RATINGS = ("rating", "ratings", "stars", "score", "overall", "grade", "rate")
NO_FEEDBACK = (
    *("impression", "impressions", "expose", "exposure", "shown", "show", "display", "skip", "dislike"),
    *("none", "no", "0", "ignored"),
)
# words that tell a column of events whatever it is called, beside NO_FEEDBACK
SAID = (
    *("view", "pageview", "click", "cart", "addtocart", "buy", "purchase", "order", "transaction"),
    *("checkout", "wishlist", "like", "love", "share", "follow", "comment", "favorite", "favourite", "bookmark"),
    *("save", "play", "listen"),
)
MOST_EVENTS = 12
MOST = 10_000  # values, the most frequent, among which the nearest to a word is looked for
TEXT = re.compile(r"'((?:[^']|'')*)'")  # of an SQL expression


def guess_feedback(frame: pl.DataFrame, rest: Sequence[str], guess: Guess) -> set[str]:
    """Note the feedback that the columns may say and return these columns, none where every row is an interaction."""
    named = {plain(name): name for name in rest}
    binary = [name for name in rest if _is_binary(frame[name])]
    called_so = [named[word] for word in EVENTS if word in named and _is_event(frame[named[word]])]
    event = next(iter(called_so or (name for name in rest if _says_events(frame[name]))), None)
    rating = next((named[word] for word in RATINGS if word in named and _is_scale(frame[named[word]])), None)
    found: dict[str, str] = {}
    if event is not None and event not in binary:
        found |= _events(frame, event, guess)
    if binary:
        yes = {name: _yes(frame[name]) for name in binary}
        found |= {_feedback_name(name): _defined(frame, name, f"{sql_name(name)} = {yes[name]}") for name in binary}
    if rating is not None and not found:
        found |= _ratings(frame, rating, guess)
    if not found:
        key = str(next(name for name in frame.columns if name not in rest))
        found["interaction"] = f"{sql_name(key)} IS NOT NULL"
    guess.table["feedback"] = dict(found)
    return {name for name in (event, rating, *binary) if name is not None}


def _is_binary(column: pl.Series) -> bool:
    values = {str(value).lower() for value in column.unique().drop_nulls().head(4).to_list()}
    return values in ({"0", "1"}, {"true", "false"}, {"0.0", "1.0"})


def _yes(column: pl.Series) -> str:
    if column.dtype == pl.Boolean:
        return "TRUE"
    values = [str(value) for value in column.unique().drop_nulls().to_list()]
    return next((f"'{value}'" for value in values if value.lower() == "true"), "1")


def _is_event(column: pl.Series) -> bool:
    return 2 <= column.drop_nulls().n_unique() <= MOST_EVENTS


def _says_events(column: pl.Series) -> bool:
    """Return whether every value is a word for an event, of two or more that count as feedback."""
    if column.dtype != pl.String or not _is_event(column):
        return False
    words = {plain(word) for word in column.drop_nulls().unique().to_list()}
    return words <= {*SAID, *NO_FEEDBACK} and len(words & {*SAID}) > 1


def _is_scale(column: pl.Series) -> bool:
    numbers = numbers_of(column)
    return numbers is not None and 2 <= numbers.n_unique() <= MOST_STEPS


def _events(frame: pl.DataFrame, event: str, guess: Guess) -> dict[str, str]:
    """Return an expression per kind of event: it and every rarer one, for who buys has viewed."""
    counts = frame[event].drop_nulls().value_counts(sort=True)
    words = [str(word) for word in counts[event].to_list() if plain(str(word)) not in NO_FEEDBACK]
    left_out = [str(word) for word in counts[event].to_list() if str(word) not in words]
    numeric = numbers_of(frame[event]) is not None
    expressions = {}
    for place, word in enumerate(words):
        listed = ", ".join(rarer if numeric else _quoted(rarer) for rarer in words[place:])
        name = _feedback_name(word if not numeric else f"{event}_{word}")
        while name in expressions:  # "Buy" and "buy"
            name = f"{name}_{place + 1}"
        expressions[name] = _defined(frame, event, f"{sql_name(event)} IN ({listed})")
    guess.lines.append(f"{event}: {' ⊃ '.join(expressions)}, for a rarer event implies the more frequent ones")
    if left_out:
        guess.lines.append(f"{event}: {', '.join(left_out)} counts as no feedback")
    return expressions


def _ratings(frame: pl.DataFrame, rating: str, guess: Guess) -> dict[str, str]:
    """Return `like` for the upper half of the ratings, and `love` for the highest if enough rows have it."""
    numbers = numbers_of(frame[rating])
    assert numbers is not None
    steps = sorted(numbers.unique().to_list(), reverse=True)
    share = {step: float((numbers >= step).mean() or 0) for step in steps}
    like = min(steps[:-1], key=lambda step: abs(share[step] - 0.5))
    found = {"like": _defined(frame, rating, f"{sql_name(rating)} >= {like:g}")}
    if like < steps[0] and share[steps[0]] >= 0.02:
        found["love"] = _defined(frame, rating, f"{sql_name(rating)} >= {steps[0]:g}")
    guess.lines.append(
        ", ".join(
            f"{name} = {rating} of at least {step:g} ({share[step]:.0%} of rows)"
            for name, step in zip(found, (like, steps[0]), strict=False)
        )
    )
    return found


def _defined(frame: pl.DataFrame, column: str, expression: str) -> str:
    """Return an expression that is false where the column is empty, if it ever is."""
    return f"COALESCE({expression}, FALSE)" if frame[column].null_count() or len(frame) == LOOK else expression


def sql_name(name: str) -> str:
    """Return a column as an SQL expression names it: in quotes where it is no word, or one that SQL has itself."""
    return name if _is_bare(name) else '"' + name.replace('"', '""') + '"'


def _is_bare(name: str) -> bool:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return False
    try:
        return all(
            pl.sql_expr(f"{name} {rest}").meta.root_names() == [name] for rest in ("IS NOT NULL", "IN (1)", ">= 1")
        )
    except pl.exceptions.PolarsError:
        return False


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"


def _feedback_name(word: str) -> str:
    name = re.sub(r"\W+", "_", re.sub(r"^(is|has)_", "", word.lower())).strip("_")[:40]
    return name if re.match(r"[a-z]", name) and name not in RESERVED else f"f_{name}"


def plain(name: str) -> str:
    """Return the letters and digits of a name, in lower case."""
    return re.sub(r"[\W_]", "", name.lower())


def require_feedback_in_rows(rows: pl.DataFrame, feedback: Mapping[str, str]) -> None:
    """Raise UsageError for an SQL expression that names no column, or is true in no row, and say what its columns hold.

    One that cannot be computed, or is neither true nor false, is left to preparation, which says what is wrong with it.
    """
    for name, sql in feedback.items():
        columns = list(dict.fromkeys(pl.sql_expr(sql).meta.root_names()))
        if not columns:
            raise UsageError(f'--feedback: `{name}` = "{sql}" names no column; as in `{name}={rows.columns[-1]}=1`')
        if not set(columns) <= set(rows.columns):
            continue
        found = [_is_true_somewhere(frame, sql) for frame in (rows, rows.with_columns(map(_as_numbers, rows[columns])))]
        if False not in found or True in found:
            continue
        words = [text.replace("''", "'") for text in TEXT.findall(sql)]
        values = [_values(rows[column], words) for column in columns]
        held = "; ".join(f"{column} {held}" for column, held in zip(columns, values, strict=True))
        raise UsageError(f'--feedback: `{name}` = "{sql}" is true in no row; {_meant(rows[columns], words)}{held}')


def _is_true_somewhere(rows: pl.DataFrame, sql: str) -> bool | None:
    """Return whether the expression is true in a row; None where it cannot be computed or is no condition."""
    try:
        value = rows.select(pl.sql_expr(sql).alias("value"))["value"]
    except pl.exceptions.PolarsError:
        return None
    return bool(value.cast(pl.Boolean).any()) if value.dtype == pl.Boolean or value.dtype.is_numeric() else None


def _as_numbers(column: pl.Series) -> pl.Series:
    """Return text as numbers where all of it is, as preparation reads it."""
    if column.dtype != pl.String or numbers_of(column) is None:
        return column
    whole = column.cast(pl.Int64, strict=False)
    return whole if whole.null_count() == column.null_count() else column.cast(pl.Float64)


def _meant(rows: pl.DataFrame, words: Sequence[str]) -> str:
    """Return the question whether the value nearest to a word that no column holds was meant."""
    held = [text for column in rows if numbers_of(column) is None for text in _texts(column)[:MOST]]
    return next((suggestion(word, held) for word in words if word not in held and "%" not in word), "")


def _values(column: pl.Series, words: Sequence[str]) -> str:
    """Return in words what a column holds: of many values those nearest to the words that were asked for."""
    numbers = numbers_of(column)
    low, high = (None, None) if numbers is None else (numbers.min(), numbers.max())
    if isinstance(low, int | float) and isinstance(high, int | float):
        return f"is {low:.10g} everywhere" if low == high else f"lies between {low:.10g} and {high:.10g}"
    texts = _texts(column)
    near = [text for word in words for text in get_close_matches(word, texts[:MOST], n=NEAREST, cutoff=0.5)]
    return f"is {first_few(list(dict.fromkeys([*near, *texts])), NEAREST)}" if texts else "is empty"


def _texts(column: pl.Series) -> list[str]:
    """Return the values of a column, each once, the most frequent first."""
    return [text for text, _ in Counter(map(str, column.drop_nulls().to_list())).most_common()]
