"""Facsimiles of MovieLens, Amazon, Gowalla and Last.fm, counted again from their text."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.facsimile import (
    Contents,
    Counts,
)
from tests.facsimile.recount import LISTS, Row, copies, core, counted, lines, split, table


def check_ratings(known: Contents, log: list[tuple[str, str, float, int]], users: set[str], movies: set[str]) -> None:
    """Compare ratings (user, film, rating, time) with what is known; at least 20 for each user, each film once."""
    rows: list[Row] = [("all", user, movie, {"like": rating > 4}) for user, movie, rating, _ in log]
    assert known.log == counted(rows, ["like"])
    assert not copies((user, movie) for user, movie, *_ in log)
    assert min(Counter(user for user, *_ in log).values()) >= 20
    assert {user for user, *_ in log} == users and {movie for _, movie, *_ in log} < movies
    last: dict[str, int] = {}
    unsorted = 0
    for user, _, _, time in log:
        unsorted += time < last.get(user, time)
        last[user] = time
    quirks = {
        "listed_users": len(users),
        "listed_movies": len(movies),
        "unrated_movies": len(movies - {movie for _, movie, *_ in log}),
        "tied_rows": copies((user, time) for user, _, _, time in log),
        "unsorted_rows": unsorted,
    }
    assert all(quirks.values()) and quirks.items() <= known.quirks.items()


def check_1m(folder: Path, known: Contents) -> None:
    log = [(u, m, float(r), int(t)) for u, m, r, t in split(folder / "ratings.dat", "::", 4)]
    users, movies = split(folder / "users.dat", "::", 5), split(folder / "movies.dat", "::", 3)
    check_ratings(known, log, {row[0] for row in users}, {row[0] for row in movies})
    assert {rating for _, _, rating, _ in log} == {1, 2, 3, 4, 5}
    assert [int(user) for user, *_ in log] == sorted(int(user) for user, *_ in log)
    assert all(re.fullmatch(r"\d{5}(-\d{4})?", row[4]) for row in users)
    assert any(row[4].startswith("0") for row in users) and any("-" in row[4] for row in users)
    assert max(len(row[2].split("|")) for row in movies) <= 6
    assert all(re.search(r" \(\d{4}\)$", row[1]) for row in movies)
    assert known.quirks["latin_titles"] == sum(not row[1].isascii() for row in movies) > 0
    with pytest.raises(UnicodeDecodeError):
        (folder / "movies.dat").read_bytes().decode()


def check_100k(folder: Path, known: Contents) -> None:
    log = [(u, m, float(r), int(t)) for u, m, r, t in split(folder / "u.data", "\t", 4)]
    users, movies = split(folder / "u.user", "|", 5), split(folder / "u.item", "|", 24)
    check_ratings(known, log, {row[0] for row in users}, {row[0] for row in movies})
    assert all(row[3] == "" and set(row[5:]) <= {"0", "1"} and "1" in row[5:] for row in movies)
    undated = [row for row in movies if not row[2]]
    assert known.quirks["undated_movies"] == len(undated) == 1
    assert undated[0][1:6] == ["unknown", "", "", "", "1"]
    assert lines(folder / "u.genre")[-1] == "" and len(lines(folder / "u.genre")) == 20
    whole = sorted(lines(folder / "u.data"))
    tests = Counter(line for number in range(1, 6) for line in lines(folder / f"u{number}.test"))
    assert sorted(tests.elements()) == whole
    for name in ("u1", "u5", "ua", "ub"):
        assert sorted(lines(folder / f"{name}.base") + lines(folder / f"{name}.test")) == whole
    assert not set(lines(folder / "ua.test")) & set(lines(folder / "ub.test"))
    rows: list[Row] = []
    for part, name in (("train", "ua.base"), ("test", "ua.test")):
        rows += [(part, u, m, {"like": r == "5"}) for u, m, r, _ in split(folder / name, "\t", 4)]
    assert known.kept == {"given": counted(rows, ["like"])}
    assert set(Counter(row[1] for row in rows if row[0] == "test").values()) == {10}


def check_movielens_csv(folder: Path, known: Contents) -> None:
    rows, movies = table(folder / "ratings.csv"), table(folder / "movies.csv")
    log = [(row["userId"], row["movieId"], float(row["rating"]), int(row["timestamp"])) for row in rows]
    users = {str(number + 1) for number in range(known.quirks["listed_users"])}
    check_ratings(known, log, users, {row["movieId"] for row in movies})
    assert {row["rating"] for row in rows} == {f"{half / 2}" for half in range(1, 11)}
    keys = [(int(user), int(movie)) for user, movie, *_ in log]
    assert keys == sorted(keys)
    raw = lines(folder / "movies.csv")
    assert known.quirks["quoted_titles"] == sum(',"' in line for line in raw) > 0
    assert known.quirks["quoted_titles"] == sum("," in row["title"] for row in movies)
    assert known.quirks["doubled_quotes"] == sum('""' in line for line in raw) > 0
    assert known.quirks["no_genres"] == sum(row["genres"] == "(no genres listed)" for row in movies) > 0
    assert any(not row["tmdbId"] for row in table(folder / "links.csv"))
    assert list(table(folder / "tags.csv")[0]) == ["userId", "movieId", "tag", "timestamp"]


def check_amazon(folder: Path, known: Contents) -> None:
    ratings = split(known.files[0], ",", 4)
    reviews = [json.loads(line) for line in lines(known.files[1])]
    assert known.log == counted((("all", user, item, {"review": True}) for user, item, *_ in ratings), ["review"])
    assert all(
        re.fullmatch(r"A[0-9A-Z]{12}", user) and re.fullmatch(r"\d{10}|B00[0-9A-Z]{7}", item)
        for user, item, *_ in ratings
    )
    assert [row[1] for row in ratings] == sorted(row[1] for row in ratings)
    assert all(int(row[3]) % 86_400 == 0 and row[2] in {"1.0", "2.0", "3.0", "4.0", "5.0"} for row in ratings)

    first = {(user, item): (rating, time) for user, item, rating, time in reversed(ratings)}
    five = core(set(first), 5)
    pairs = [(review["reviewerID"], review["asin"]) for review in reviews]
    assert set(pairs) == five and not copies(pairs)
    order = ["reviewerID", "asin", "reviewerName", "helpful", "reviewText", "overall", "summary", "unixReviewTime"]
    for review in reviews:
        rating, time = first[review["reviewerID"], review["asin"]]
        assert (str(review["overall"]), str(review["unixReviewTime"])) == (rating, time)
        day = datetime.fromtimestamp(review["unixReviewTime"], UTC)
        assert review["reviewTime"] == f"{day:%m} {day.day}, {day.year}"
        assert [key for key in review if key != "reviewTime"] == [key for key in order if key in review]
        assert 0 <= review["helpful"][0] <= review["helpful"][1]
    assert any("\n" in review["reviewText"] and "\t" in review["reviewText"] for review in reviews)
    assert any('"' in review["summary"] for review in reviews)

    def pairs(found: set[tuple[str, str]]) -> Counts:
        return counted((("all", user, item, {"review": True}) for user, item in found), ["review"])

    liked = core({(user, item) for user, item, rating, _ in ratings if float(rating) >= 4}, 10)
    assert liked
    assert known.kept["reviews"] == pairs(five) and known.kept["core"] == pairs(liked)
    stars = Counter(row[2] for row in ratings)
    assert known.quirks == {
        **{f"rating_{number}": stars[f"{number}.0"] for number in range(1, 6)},
        "duplicates": copies((user, item) for user, item, *_ in ratings),
        "nameless": sum("reviewerName" not in review for review in reviews),
        "tied_days": copies((review["reviewerID"], review["unixReviewTime"]) for review in reviews),
    }
    assert all(known.quirks.values())
    if known.files[0].name == "ratings_Books.csv":
        check_comirec(folder / "book_data", known, reviews)
    else:
        assert known.kept.keys() == {"reviews", "core"}


def check_comirec(folder: Path, known: Contents, reviews: list[dict[str, str]]) -> None:
    item_number = dict(split(folder / "book_item_map.txt", ",", 2))
    user_name = {number: name for name, number in split(folder / "book_user_map.txt", ",", 2)}
    expected = defaultdict(list)
    for review in sorted(reviews, key=lambda review: review["unixReviewTime"]):
        expected[review["reviewerID"]].append(item_number[review["asin"]])
    found = defaultdict(list)
    rows: list[Row] = []
    shares = {}
    for part in ("train", "valid", "test"):
        shares[part] = set()
        for user, item, place in split(folder / f"book_{part}.txt", ",", 3):
            assert int(place) == len(found[user_name[user]])
            found[user_name[user]].append(item)
            rows.append((part, user, item, {"review": True}))
            shares[part].add(user)
    assert found == expected
    assert known.kept["comirec"] == counted(rows, ["review"])
    assert abs(len(shares["train"]) - 0.8 * len(found)) <= 1 and abs(len(shares["valid"]) - 0.1 * len(found)) <= 1
    often = Counter(review["asin"] for review in reviews)
    ranked = sorted(often, key=lambda item: int(item_number[item]))
    assert [often[item] for item in ranked] == sorted(often.values(), reverse=True)
    assert {item for item, _ in split(folder / "book_item_cate.txt", ",", 2)} == set(item_number.values())


def check_checkins(folder: Path, known: Contents) -> None:
    rows = split(known.files[0], "\t", 5)
    moments = [datetime.strptime(row[1], "%Y-%m-%dT%H:%M:%SZ") for row in rows]
    for place in range(1, len(rows)):
        assert rows[place][0] != rows[place - 1][0] or moments[place] <= moments[place - 1]
    assert {moment.year for moment in moments} == {2009, 2010}
    assert all(re.fullmatch(r"-?\d+\.\d{1,10}", row[2]) and re.fullmatch(r"-?\d+\.\d{1,10}", row[3]) for row in rows)
    pairs = {(row[0], row[4]) for row in rows}

    def counts(found: Iterable[tuple[str, str]]) -> Counts:
        return counted((("all", user, place, {"visit": True}) for user, place in found), ["visit"])

    left = core(pairs, 10)
    assert left
    assert known.log == counts((row[0], row[4]) for row in rows)
    assert known.kept == {"pairs": counts(pairs), "core": counts(left)}
    wrong = sum(abs(float(row[2])) > 90 for row in rows)
    assert known.quirks == {"repeat_visits": len(rows) - len(pairs), "out_of_range": wrong}
    assert all(known.quirks.values())


def check_lines(folder: Path, known: Contents) -> None:
    feedback = next(iter(known.log.positives))
    rows: list[Row] = []
    tokens = {}
    pairs = {}
    for part in ("train", "test"):
        named = [line.split(" ") for line in lines(folder / f"{part}.txt")]
        assert [words[0] for words in named] == [str(number) for number in range(len(named))]
        assert all(len(words) > 1 for words in named)
        pairs[part] = {(words[0], item) for words in named for item in words[1:]}
        tokens[part] = sum(len(words) - 1 for words in named)
        rows += [(part, user, item, {feedback: True}) for user, item in pairs[part]]
    assert not pairs["train"] & pairs["test"]
    assert known.log == counted(rows, [feedback])
    repeated = sum(tokens.values()) - len(rows)
    expected = {"train_tokens": tokens["train"], "test_tokens": tokens["test"], "repeated_tokens": repeated}
    assert known.quirks == expected and (repeated > 0) == (feedback == "listen")
    assert 0.15 < len(pairs["test"]) / len(rows) < 0.27
    users, items = (lines(folder / name) for name in LISTS)
    assert users[0] == "org_id remap_id"
    assert items[0] == ("org_id remap_id freebase_id" if feedback == "listen" else "org_id remap_id")
    assert {item for _, item in pairs["train"]} <= {line.split(" ")[1] for line in items[1:]}
