"""What feedback the columns of an unknown log may say."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

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
