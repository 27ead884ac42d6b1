"""CiteULike, the split of LCFN, KuaiRec, Steam and Yambda, whose logs are small enough to be held as a whole.

`rows` counts pairs of user and item (citeulike, ml-1m-m1), watched videos of both matrices (kuairec), reviews (steam)
and events (yambda-50m). Rules: `five` keeps users and games of five reviews, again and again; `counted` listens and
likes. Quirks: `words` (of all articles), `unwatched` (rows of length 0), `without_time` (rows of the small matrix),
`hours_unknown`, `tied_days` (reviews of a user on a day with another) and `unknown_share` (events without one).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tests.facsimile.contents import Contents, Counts, count_rows, repeats, survives_core
from tests.facsimile.draw import (
    Bools,
    Ints,
    draw_choices,
    draw_distinct,
    draw_skewed,
    hash_numbers,
    renumber,
    share_rows,
)
from tests.facsimile.text import as_text, concat, in_digits, join_words, open_new, words_at, write_lines, write_rows

EVENTS = ("listen", "like", "dislike", "unlike", "undislike")


def _pairs(rows: int, per_user: int, per_item: int, seed: int) -> tuple[Ints, Ints, int, int]:
    """Draw distinct pairs, user [rows] in ascending order and item [rows], and return how many there are of each."""
    random = np.random.default_rng([seed, 0])
    users = max(25, rows // per_user)
    counts = share_rows(rows, users, 3, random)
    items = max(rows // per_item, round(1.5 * counts.max()))
    user, rank = draw_distinct(counts, items, random)
    return user, renumber(rank, items), users, items


def _known(known: Bools, values: NDArray[Any]) -> pl.Series:
    """Return the values [rows], null where they are not known."""
    return pl.Series(values).set(pl.Series(~known), None)


def _all(user: Ints) -> Bools:
    return user >= 0


def write_citeulike(folder: Path, rows: int, seed: int) -> Contents:
    """Write users.dat and mult.dat, whose lines begin with how many words follow."""
    user, item, users, items = _pairs(rows, 37, 12, seed)
    order = np.lexsort((item, user))
    counts = np.bincount(user, minlength=users)
    with open_new(folder / "users.dat") as file:
        write_lines(file, concat(as_text(counts), " ", join_words(as_text(item[order]), counts, " ")))
    random = np.random.default_rng([seed, 1])
    words = random.integers(5, 30, items)
    article, word = draw_distinct(words, 800, random)
    named = concat(as_text(word), ":", as_text(1 + random.poisson(0.4, len(word))))
    with open_new(folder / "mult.dat") as file:
        write_lines(file, concat(as_text(words), " ", join_words(named, words, " ")))
    raw = {"users.dat": users, "mult.dat": items}
    return _contents(folder, raw, count_rows("all", user, item, {"keep": _all(user)}), {"words": len(article)})


def write_item_lists(folder: Path, rows: int, seed: int) -> Contents:
    """Write train_data.json, validation_data.json and test_data.json: one line each, a list a user."""
    user, item, users, _ = _pairs(rows, 100, 40, seed)
    random = np.random.default_rng([seed, 1])
    part = draw_choices((0.8, 0.1, 0.1), rows, random)
    counts: dict[str, int] = {}
    for number, (name, file) in enumerate({"train": "train", "valid": "validation", "test": "test"}.items()):
        lists: list[list[int]] = [[] for _ in range(users)]
        chosen = random.permutation(np.flatnonzero(part == number))
        for u, i in zip(user[chosen].tolist(), item[chosen].tolist(), strict=True):
            lists[u].append(i)
        counts[name] = len(chosen)
        with open_new(folder / f"{file}_data.json") as out:
            out.write(json.dumps(lists).encode() + b"\n")
    whole = count_rows("all", user, item, {"rating": _all(user)})
    log = Counts(counts, whole.users, whole.items, whole.positives)
    return _contents(folder, {f"{name}_data.json": 1 for name in ("train", "validation", "test")}, log, {})


def write_kuairec(folder: Path, rows: int, seed: int) -> Contents:
    """Write big_matrix.csv and small_matrix.csv; of the small one every pair of its users and videos but a few."""
    few = round((0.25 * rows) ** 0.5)
    small_user, small_item = (part.ravel() for part in np.divmod(np.arange(few * few), few))
    random = np.random.default_rng([seed, 1])
    observed = random.random(len(small_user)) < 0.996
    small_user, small_item = small_user[observed], small_item[observed]
    user, item, _, items = _pairs(rows - len(small_user), 60, 20, seed)
    user, item = np.concatenate([user, small_user]), np.concatenate([item, small_item % items])
    big = np.arange(rows) < rows - len(small_user)
    length = random.integers(3_000, 60_000, rows)
    played = np.where(random.random(rows) < 0.02, 0, (length * random.lognormal(-0.3, 0.8, rows)).astype(np.int64))
    ratio = (played / length).round(6)
    second = np.where(~big & (random.random(rows) < 0.04), -1, random.integers(1_593_878_903, 1_599_326_903, rows))
    moment = _known(second >= 0, second + random.integers(0, 1000, rows) / 1000)
    time = (moment * 1000).cast(pl.Int64).cast(pl.Datetime("ms"))
    frame = pl.DataFrame({"user_id": user, "video_id": item, "play_duration": played, "video_duration": length})
    frame = frame.with_columns(
        time=time.dt.strftime("%Y-%m-%d %H:%M:%S%.3f"), date=time.dt.strftime("%Y%m%d"), timestamp=moment
    ).with_columns(watch_ratio=pl.Series(ratio))
    for name, chosen in (("big", big), ("small", ~big)):
        with open_new(folder / f"{name}_matrix.csv") as file:
            write_rows(file, dict(frame.filter(pl.Series(chosen)).to_dict()), header=True)
    whole = count_rows("all", user, item, {"like": ratio > 2})
    raw = {"big_matrix.csv": int(big.sum()), "small_matrix.csv": int((~big).sum())}
    log = Counts({"train": raw["big_matrix.csv"], "test": raw["small_matrix.csv"]}, *_rest(whole))
    return _contents(folder, raw, log, {"unwatched": int((played == 0).sum()), "without_time": moment.null_count()})


def write_steam(folder: Path, rows: int, seed: int) -> Contents:
    """Write steam_reviews.json.gz: a Python dictionary a line, as Python 2 prints it."""
    user, item, users, _ = _pairs(rows, 12, 60, seed)
    random = np.random.default_rng([seed, 1])
    shuffled = random.permutation(rows)
    user, item = user[shuffled], item[shuffled]
    day, text = random.integers(14_900, 17_600, rows), random.integers(0, 3, rows)
    again = random.choice(np.arange(1, rows), rows // 50, replace=False)
    day[again] = np.where(user[again] == user[again - 1], day[again - 1], day[again])
    tied = 17_000 + user % 7
    day = np.where(random.random(rows) < 0.1, tied, day)
    unknown = random.random(rows) < 0.01
    named = concat(in_digits(hash_numbers(user, 5) % np.uint64(36**8), 36, 8), words_at(["", " é", "'s"], user % 3))
    quote = words_at(["'", "'", '"'], user % 3)
    hours = concat(", u'hours': ", as_text((random.exponential(20, rows)).round(1)))
    with open_new(folder / "steam_reviews.json.gz") as file:
        write_lines(
            file,
            concat(
                *(
                    "{u'username': u",
                    quote,
                    named.str.replace("é", "\\xe9", literal=True),
                ),
                *(quote, pl.Series(np.where(unknown, "", hours.to_numpy()), dtype=pl.String)),
                *(", u'products': 41, u'product_id': u'", as_text(10 * (item + 1)), "', u'page_order': 0, u'date': u'"),
                *(pl.Series(day).cast(pl.Int32).cast(pl.Date).dt.strftime("%Y-%m-%d"), "', u'text': "),
                *(words_at(["u'Fun.'", 'u"It\'s {fun}"', "u''"], text), ", u'early_access': False, u'page': 1}"),
            ),
        )
    keep = survives_core(user, item, 5)
    given = {"review": _all(user)}
    five = count_rows("all", user[keep], item[keep], {"review": _all(user[keep])})
    quirks = {"hours_unknown": int(unknown.sum()), "tied_days": int(repeats(day, user).sum())}
    return _contents(
        folder, {"steam_reviews.json.gz": rows}, count_rows("all", user, item, given), quirks, {"five": five}
    )


def write_yambda(folder: Path, rows: int, seed: int) -> Contents:
    """Write multi_event.parquet: events in order of users and times, their kind an enumeration."""
    random = np.random.default_rng([seed, 0])
    users, items = max(25, rows // 80), max(60, rows // 4)
    user = np.repeat(np.arange(users), share_rows(rows, users, 5, random))
    item = renumber(draw_skewed(items, rows, random), items)
    time = 5 * random.integers(0, 5_200_000, rows)
    time = time[np.lexsort((time, user))]
    event = draw_choices((0.93, 0.04, 0.01, 0.015, 0.005), rows, random)
    share = np.minimum(random.integers(0, 130, rows), 100)
    frame = pl.DataFrame(
        {
            "uid": pl.Series(10 * (user + 1), dtype=pl.UInt32),
            "timestamp": pl.Series(time, dtype=pl.UInt32),
            "item_id": pl.Series(7 * item + 3, dtype=pl.UInt32),
            "is_organic": pl.Series(random.integers(0, 2, rows), dtype=pl.UInt8),
            "played_ratio_pct": _known(event == 0, share).cast(pl.UInt16),
            "track_length_seconds": _known(event == 0, 200 + item % 100).cast(pl.UInt32),
            "event_type": words_at(list(EVENTS), event).cast(pl.Enum(EVENTS)),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(folder / "multi_event.parquet")
    given = {"listen": (event == 0) & (share >= 50), "like": event == 1}
    kept = event < 2
    counted = count_rows("all", user[kept], item[kept], {name: flag[kept] for name, flag in given.items()})
    quirks = {"unknown_share": int((event > 0).sum())}
    return _contents(
        folder, {"multi_event.parquet": rows}, count_rows("all", user, item, given), quirks, {"counted": counted}
    )


def _rest(counts: Counts) -> tuple[int, int, dict[str, int]]:
    return counts.users, counts.items, dict(counts.positives)


def _contents(
    folder: Path, raw: dict[str, int], log: Counts, quirks: dict[str, int], kept: dict[str, Counts] | None = None
) -> Contents:
    return Contents(tuple(folder / name for name in raw), raw, log, kept or {}, quirks)
