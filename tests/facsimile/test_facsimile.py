"""Facsimiles: what they say is in them is counted again from their text, with nothing of what wrote it."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from recbench.errors import UsageError
from tests import facsimile
from tests.facsimile import (
    Counts,
    Known,
    aliccp,
    aliccp_tokens,
    aliexpress,
    amazon,
    archive_ae,
    draw,
    gowalla,
    kuairand,
    kuairand_tables,
    movielens,
    retailrocket,
    taobao,
)

SHARED = Path(__file__).parents[2] / "../shared/data"
ROWS = 2000
MORE = {"amazon-books": 12_000, "amazon-cd": 20_000, "gowalla-checkins": 8000}  # so that something passes each rule
CSV_HEADERS = ("kuairand", "retailrocket", "ml-20m", "ml-25m", "ml-32m")
LISTS = ("user_list.txt", "item_list.txt")

Row = tuple[str, str | None, str | None, dict[str, bool]]  # part, user, item, feedback


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Known]]:
    """Write each facsimile once."""
    made: dict[str, tuple[Path, Known]] = {}

    def write(name: str) -> tuple[Path, Known]:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = folder, facsimile.write(name, folder, MORE.get(name, ROWS))
        return made[name]

    return write


def lines(path: Path) -> list[str]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    latin = path.suffix == ".dat" or path.name.startswith("u.")
    text = raw.decode("iso-8859-1" if latin else "utf-8")
    assert text.endswith("\n") and "\r" not in text
    return text.removesuffix("\n").split("\n")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(None not in row and None not in row.values() for row in rows)
    return rows


def split(path: Path, separator: str, width: int) -> list[list[str]]:
    rows = [line.split(separator) for line in lines(path)]
    assert {len(row) for row in rows} == {width}
    return rows


def counted(rows: Iterable[Row], feedback: Iterable[str]) -> Counts:
    part: Counter[str] = Counter()
    users, items = set(), set()
    positives = dict.fromkeys(feedback, 0)
    for name, user, item, given in rows:
        part[name] += 1
        users.add(user)
        items.add(item)
        for kind in positives:
            positives[kind] += given[kind]
    return Counts(dict(part), len(users - {None}), len(items - {None}), positives)


def core(pairs: set[tuple[str, str]], least: int) -> set[tuple[str, str]]:
    while True:
        user, item = Counter(pair[0] for pair in pairs), Counter(pair[1] for pair in pairs)
        left = {pair for pair in pairs if user[pair[0]] >= least and item[pair[1]] >= least}
        if left == pairs:
            return left
        pairs = left


def copies(rows: Iterable[object]) -> int:
    return sum(number - 1 for number in Counter(rows).values())


def check_aliccp(folder: Path, known: Known) -> None:
    user_fields = {"101", *aliccp_tokens.PROFILE, "109_14", "110_14", "127_14", "150_14"}
    item_fields = {"205", "206", "207", "216", "210", "508", "509", "702", "853", "301"}
    rows: list[Row] = []
    seen: dict[str, set[str]] = defaultdict(set)
    values: dict[str, set[str]] = defaultdict(set)
    numbered: dict[str, set[str]] = defaultdict(set)  # feature -> fields
    repeated = 0

    def tokens(text: str, count: str) -> list[tuple[str, str]]:
        parsed = [re.fullmatch("([0-9_]+)\x02([0-9]+)\x03([0-9.]+)", word) for word in text.split("\x01")]
        assert len(parsed) == int(count)
        for token in parsed:
            assert token is not None
            values[token[1]].add(token[3])
            numbered[token[2]].add(token[1])
        return [(token[1], token[2]) for token in parsed if token]

    keys: dict[str, set[str]] = {}
    for part in ("train", "test"):
        commons = {}
        for key, count, text in split(folder / f"common_features_{part}.csv", ",", 3):
            assert re.fullmatch("[0-9a-f]{16}", key) and key not in commons
            commons[key] = dict(tokens(text, count))
            seen["common"] |= commons[key].keys()
        skeleton = split(folder / f"sample_skeleton_{part}.csv", ",", 6)
        assert [row[0] for row in skeleton] == [str(number + 1) for number in range(len(skeleton))]
        for _, click, buy, key, count, text in skeleton:
            pairs = tokens(text, count)
            item = dict(pairs)
            seen["skeleton"] |= item.keys()
            repeated += sum(field == "210" for field, _ in pairs) > 1
            given = {"click": click == "1", "buy": buy == "1"}
            rows.append((part, commons[key].get("101"), item.get("205"), given))
        keys[part] = set(commons)
    assert not keys["train"] & keys["test"]
    assert seen == {"common": user_fields, "skeleton": item_fields}
    assert all(len(fields) == 1 for fields in numbered.values())
    history = {"109_14", "110_14", "127_14", "150_14", "508", "509", "702", "853"}
    assert {field for field, found in values.items() if found != {"1.0"}} == history
    assert {"0.69315", "1.09861", "1.94591", "2.3979"} <= values["109_14"]

    consistent = [row for row in rows if row[3]["click"] or not row[3]["buy"]]
    often = Counter(row[1] for row in consistent if row[0] == "train" and row[1])
    shown = Counter(row[2] for row in consistent if row[0] == "train" and row[2])
    kept = [row for row in consistent if row[1] and often[row[1]] >= 12]
    feedback = ("click", "buy")
    assert known.log == counted(rows, feedback)
    assert known.kept == {"consistent": counted(consistent, feedback), "frequent": counted(kept, feedback)}
    assert {11, 12} <= set(often.values())  # both sides of the edge
    users = {part: {row[1] for row in rows if row[0] == part} for part in ("train", "test")}
    rare = {part: sum(row[0] == part for row in consistent) - sum(row[0] == part for row in kept) for part in users}
    assert known.quirks == {
        "conversion_without_click": len(rows) - len(consistent),
        "rare_rows_train": rare["train"],
        "rare_rows_test": rare["test"],
        "users_absent_from_train": len(users["test"] - users["train"] - {None}),
        "rows_without_user": sum(row[1] is None for row in rows),
        "rows_without_item": sum(row[2] is None for row in rows),
        "frequent_users": sum(number >= 12 for number in often.values()),
        "frequent_items": sum(number >= 12 for number in shown.values()),
        "repeated_intentions": repeated,
    }
    assert all(known.quirks.values())


def check_ae(folder: Path, known: Known) -> None:
    rows: list[Row] = []
    numbers = {}
    empty = too_high = 0
    code = known.files[0].name[:2]
    for part in ("train", "test"):
        pages = split(folder / f"{code}_user_{part}.csv", ",", 33)
        items = split(folder / f"{code}_item_{part}.csv", ",", 49)
        assert re.fullmatch(r"[-0-9.e,\n]+", (folder / f"{code}_item_{part}.csv").read_text())
        numbers[part] = {page[0] for page in pages}
        assert len(numbers[part]) == len(pages)
        assert {page[1] for page in pages} == {"9"} and {page[5] for page in pages} == {"9", "20"}
        assert all(page[place].isdigit() for page in pages for place in (*range(1, 8), 31, 32))
        assert all("." in page[place] for page in pages for place in range(8, 31))
        for item in items:
            assert item[0] in numbers[part]
            assert item[42:45] == ["0", "0", "0"]
            assert {item[place - 1] for place in (19, 34, 35, 36, 40, 41, 42)} <= {"0", "1"}
            assert item[48] in {"0", "1", "2"}
            assert all(0 <= float(number) <= 1.00002 for number in item[1:48])
            too_high += item[1:48].count("1.00002")
            rows.append((part, item[0], ",".join(item[1:48]), {"click": item[48] >= "1", "buy": item[48] == "2"}))
        empty += len(numbers[part] - {item[0] for item in items})
    assert known.log == counted(rows, ["click", "buy"])
    assert known.quirks == {
        "pages_train": len(numbers["train"]),
        "pages_test": len(numbers["test"]),
        "pages_in_both": len(numbers["train"] & numbers["test"]),
        "pages_without_items": empty,
        "above_one": too_high,
    }
    assert 0 < known.log.positives["buy"] < known.log.positives["click"]
    assert 0.85 * len(rows) < known.log.items < len(rows)  # some items are shown again


LOG_HEADER = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab"
)
FLAGS = {"click": "is_click", "like": "is_like", "follow": "is_follow", "comment": "is_comment"}
FLAGS |= {"forward": "is_forward", "hate": "is_hate", "long_view": "long_view"}


def check_kuairand(folder: Path, known: Known) -> None:
    suffix = known.files[0].stem.rsplit("_", 1)[1]
    early = table(folder / f"log_standard_4_08_to_4_21_{suffix}.csv")
    late = table(folder / f"log_standard_4_22_to_5_08_{suffix}.csv")
    shuffled = table(folder / f"log_random_4_22_to_5_08_{suffix}.csv")
    users = {row["user_id"]: row for row in table(folder / f"user_features_{suffix}.csv")}
    basic = {row["video_id"]: row for row in table(folder / f"video_features_basic_{suffix}.csv")}
    statistic = {row["video_id"]: row for row in table(folder / f"video_features_statistic_{suffix}.csv")}
    assert lines(folder / f"log_standard_4_08_to_4_21_{suffix}.csv")[0] == LOG_HEADER
    assert [len(next(iter(rows.values()))) for rows in (users, basic, statistic)] == [31, 12, 52]
    assert basic.keys() == statistic.keys()
    for log, first, last in ((early, "20220408", "20220421"), (late, "20220422", "20220508")):
        for row in log:
            moment = datetime.fromtimestamp(int(row["time_ms"]) / 1000, timezone(timedelta(hours=8)))
            assert (row["date"], row["hourmin"]) == (f"{moment:%Y%m%d}", str(moment.hour * 100))
            assert first <= row["date"] <= last
    order = [[int(row["user_id"]) for row in log] for log in (early, late)]
    falls = [sum(a > b for a, b in zip(log, log[1:], strict=False)) for log in order]
    assert falls == [0, 1]  # the late log consists of two blocks
    again = Counter(tuple(row.items()) for row in early + late)
    assert {dict(row)["tab"] for row, number in again.items() if number > 1} == {"6"}
    assert {row["is_rand"] for row in shuffled} == {"1"} and {row["is_rand"] for row in early + late} == {"0"}
    assert {row["is_live_streamer"] for row in users.values()} == {"1", "-124"}
    assert any("," in row["follow_user_num_range"] for row in users.values())
    assert any("," in row["tag"] for row in basic.values())
    assert all(re.fullmatch(r"\d+\.0|", row["onehot_feat4"]) for row in users.values())

    def rows(kept: Callable[[dict[str, str]], bool]) -> Iterator[Row]:
        for row in filter(kept, early + late):
            given = {name: row[column] == "1" for name, column in FLAGS.items()}
            yield "all", row["user_id"], row["video_id"], given

    whole_users = {key for key, row in users.items() if all(row.values())}
    whole_videos = {key for key, row in basic.items() if all(row.values())}
    assert known.log == counted(rows(lambda row: True), FLAGS)
    assert known.kept == {
        "tab_1": counted(
            rows(lambda row: row["tab"] == "1" and row["user_id"] in whole_users and row["video_id"] in whole_videos),
            FLAGS,
        )
    }
    assert known.quirks == {
        "duplicates": copies(tuple(row.values()) for row in early + late),
        "follow_without_like": sum(row["is_follow"] > row["is_like"] for row in early + late),
        "unknown_duration": sum(row["duration_ms"] == "0" for row in early + late),
        "incomplete_users": len(users) - len(whole_users),
        "incomplete_videos": len(basic) - len(whole_videos),
        "users_without_rows": len(users.keys() - {row["user_id"] for row in early + late}),
        "videos_without_rows": len(basic.keys() - {row["video_id"] for row in early + late}),
    }
    assert all(number or name == "users_without_rows" for name, number in known.quirks.items())


def check_retailrocket(folder: Path, known: Known) -> None:
    events = table(folder / "events.csv")
    assert list(events[0]) == ["timestamp", "visitorid", "event", "itemid", "transactionid"]
    assert all((row["event"] == "transaction") == bool(row["transactionid"]) for row in events)
    assert all(re.fullmatch(r"14[34]\d{10}", row["timestamp"]) for row in events)
    times = [row["timestamp"] for row in events]
    assert sum(a > b for a, b in zip(times, times[1:], strict=False)) > len(times) / 3
    kinds = {"view": ("view",), "cart": ("addtocart", "transaction"), "buy": ("transaction",)}
    rows: list[Row] = [
        ("all", row["visitorid"], row["itemid"], {name: row["event"] in kind for name, kind in kinds.items()})
        for row in events
    ]
    orders = [row["transactionid"] for row in events if row["transactionid"]]
    tree = table(folder / "category_tree.csv")
    assert known.log == counted(rows, kinds)
    assert known.quirks == {
        "duplicates": copies(tuple(row.values()) for row in events),
        "transactions": len(set(orders)),
        "shared_transactions": copies(orders),
        "single_visitors": sum(number == 1 for number in Counter(row["visitorid"] for row in events).values()),
        "roots": sum(not row["parentid"] for row in tree),
    }
    assert all(known.quirks.values())
    assert {row["parentid"] for row in tree} - {""} <= {row["categoryid"] for row in tree}
    for part in ("part1", "part2"):
        properties = table(folder / f"item_properties_{part}.csv")
        assert list(properties[0]) == ["timestamp", "itemid", "property", "value"]
        assert {"categoryid", "available"} < {row["property"] for row in properties}
        assert any(re.fullmatch(r"\d+ \d+ n\d+\.\d{3}", row["value"]) for row in properties)
        assert {row["value"] for row in properties if row["property"] == "available"} == {"0", "1"}


def check_ratings(known: Known, log: list[tuple[str, str, float, int]], users: set[str], movies: set[str]) -> None:
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


def check_1m(folder: Path, known: Known) -> None:
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


def check_100k(folder: Path, known: Known) -> None:
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


def check_movielens_csv(folder: Path, known: Known) -> None:
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


def check_amazon(folder: Path, known: Known) -> None:
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
    told = [(review["reviewerID"], review["asin"]) for review in reviews]
    assert set(told) == five and not copies(told)
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


def check_comirec(folder: Path, known: Known, reviews: list[dict[str, str]]) -> None:
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


def check_taobao(folder: Path, known: Known) -> None:
    kinds = ("pv", "cart", "fav", "buy")
    rows = [tuple(row) for row in split(folder / "UserBehavior.csv", ",", 5)]
    users = [row[0] for row in rows]
    assert users == sorted(users)  # as text
    window = [row for row in rows if 1_511_539_200 <= int(row[4]) < 1_512_316_800]
    views = [row for row in rows if row[3] == "pv"]
    shown = Counter(row[1] for row in views)
    views = [row for row in views if shown[row[1]] >= 5]
    active = Counter(row[0] for row in views)
    views = [row for row in views if active[row[0]] >= 5]

    def counts(kept: Iterable[tuple[str, ...]]) -> Counts:
        return counted((("all", row[0], row[1], {name: row[3] == name for name in kinds}) for row in kept), kinds)

    assert known.log == counts(rows)
    rules = {"window": window, "window_distinct": list(dict.fromkeys(window)), "comirec": views}
    assert known.kept == {name: counts(kept) for name, kept in rules.items()}
    categories: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        categories[row[1]][row[2]] += 1
    usual = {item: found.most_common(1)[0][0] for item, found in categories.items()}
    assert known.quirks["outside_window"] == len(rows) - len(window) > 0
    assert known.quirks["duplicates"] == copies(rows) > 0
    odd = sum(usual[row[1]] != row[2] for row in rows)
    assert 0 < odd <= known.quirks["second_category"] < 0.02 * len(rows)
    assert min(int(row[4]) for row in rows) < 0 and max(int(row[4]) for row in rows) > 2_000_000_000


def check_checkins(folder: Path, known: Known) -> None:
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


def check_lines(folder: Path, known: Known) -> None:
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


CHECKS: dict[str, Callable[[Path, Known], None]] = {
    "aliccp": check_aliccp,
    **dict.fromkeys(("ae-es", "ae-fr", "ae-nl", "ae-us"), check_ae),
    **dict.fromkeys(("kuairand-pure", "kuairand-1k"), check_kuairand),
    "retailrocket": check_retailrocket,
    "ml-100k": check_100k,
    "ml-1m": check_1m,
    **dict.fromkeys(("ml-20m", "ml-25m", "ml-32m"), check_movielens_csv),
    **dict.fromkeys(("amazon-books", "amazon-cd"), check_amazon),
    "taobao": check_taobao,
    "gowalla-checkins": check_checkins,
    **dict.fromkeys(("gowalla", "lastfm"), check_lines),
}


def test_every_facsimile_is_checked() -> None:
    assert set(CHECKS) == set(facsimile.NAMES)


@pytest.mark.parametrize("name", facsimile.NAMES)
def test_counts_are_those_of_the_text(name: str, written: Callable[[str], tuple[Path, Known]]) -> None:
    folder, known = written(name)
    CHECKS[name](folder, known)
    log = sum(known.log.rows.values())
    assert log == MORE.get(name, ROWS)
    assert known.log.users >= 20


@pytest.mark.parametrize("name", facsimile.NAMES)
def test_files_are_listed_with_their_rows(name: str, written: Callable[[str], tuple[Path, Known]]) -> None:
    folder, known = written(name)
    assert set(known.files) == {path for path in folder.rglob("*") if path.is_file()}
    for path, rows in zip(known.files, known.raw.values(), strict=True):
        assert str(path.relative_to(folder)) in known.raw
        assert len(lines(path)) - (name.startswith(CSV_HEADERS) or path.name in LISTS) == rows


@pytest.mark.parametrize("name", facsimile.NAMES)
def test_blocks_do_not_change_what_is_true(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (aliccp, aliexpress, amazon, gowalla, kuairand, kuairand_tables, movielens, retailrocket, taobao):
        monkeypatch.setattr(module, "BLOCK", 300)
    monkeypatch.setattr(aliccp, "COMMON_BLOCK", 7)
    CHECKS[name](tmp_path, facsimile.write(name, tmp_path, MORE.get(name, ROWS), seed=3))


@pytest.mark.parametrize("name", facsimile.NAMES)
def test_the_seed_decides_the_bytes(name: str, tmp_path: Path) -> None:
    digests = []
    for place, seed in enumerate((1, 1, 2)):
        known = facsimile.write(name, tmp_path / str(place), 1000, seed)
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in known.files])
    assert digests[0] == digests[1]
    assert all(path.read_bytes()[4:8] == bytes(4) for path in known.files if path.suffix == ".gz")  # no date
    assert digests[0][0] != digests[2][0]


@pytest.mark.parametrize(
    ("name", "rows", "seed", "message"),
    [
        ("ml-2m", 2000, 0, "unknown facsimile `ml-2m`; did you mean `ml-"),
        ("taobao", 999, 0, "facsimile of taobao: 999 rows; it needs at least 1000"),
        ("taobao", 1000, -1, "facsimile of taobao: seed -1; use 0 or more"),
    ],
)
def test_what_cannot_be_written(name: str, rows: int, seed: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        facsimile.write(name, tmp_path, rows, seed)
    assert not list(tmp_path.iterdir())


def test_aliccp_lines_are_as_long_as_the_real_ones(tmp_path: Path) -> None:
    known = facsimile.write("aliccp", tmp_path, 20_000)
    for split_name in ("train", "test"):
        sizes = {
            name: (tmp_path / f"{name}_{split_name}.csv").stat().st_size / known.raw[f"{name}_{split_name}.csv"]
            for name in ("sample_skeleton", "common_features")
        }
        assert 220 < sizes["sample_skeleton"] < 260
        assert 9000 < sizes["common_features"] < 13_000


def test_archives_are_zips_in_a_folder_in_a_zip(written: Callable[[str], tuple[Path, Known]], tmp_path: Path) -> None:
    folder, known = written("ae-nl")
    (archive,) = archive_ae(folder, tmp_path / "packed")
    assert archive.name == "aliexpress_NL_datasets.zip"
    with zipfile.ZipFile(archive) as outer:
        parts = [f"nl_{side}_{part}" for side in ("item", "user") for part in ("test", "train")]
        assert sorted(outer.namelist()) == [f"aliexpress_NL_datasets/{part}.zip" for part in parts]
        for name in outer.namelist():
            with outer.open(name) as file, zipfile.ZipFile(file) as inner:
                (member,) = inner.namelist()
                assert member == Path(name).stem + ".csv"
                assert inner.read(member) == (folder / member).read_bytes()
    again = archive_ae(folder, tmp_path / "again")[0]
    assert again.read_bytes() == archive.read_bytes()


def test_what_is_drawn_has_the_shape_of_a_log() -> None:
    random = np.random.default_rng(0)
    counts = draw.allot(5000, 60, 3, random, most=4)
    assert counts.sum() == 5000 and counts.min() >= 3 and counts.max() <= 4 * 5000 / 60 + 1
    owner, rank = draw.distinct(counts, 400, random, power=6)
    assert np.bincount(owner).tolist() == counts.tolist()
    assert len({*zip(owner.tolist(), rank.tolist(), strict=True)}) == 5000 and {*rank.tolist()} <= {*range(400)}
    for drawn in (rank, draw.skewed(400, 5000, random, power=6)):
        assert np.count_nonzero(drawn < 40) > 1.4 * np.count_nonzero((drawn >= 40) & (drawn < 80)) > 0
    for size in (1, 2, 7, 30, 400, 999):
        assert sorted(draw.scatter(np.arange(size), size).tolist()) == list(range(size))
    assert draw.scatter(np.arange(400), 400)[:3].tolist() == [133, 380, 227]


def kind(field: str) -> str:
    patterns = {"": "empty", r"-?\d+": "whole", r"-?\d+\.\d+(e-?\d+)?": "float", r"\d{4}-\d\d-\d\d": "date"}
    return next((name for pattern, name in patterns.items() if re.fullmatch(pattern, field)), "text")


def kinds(rows: Iterable[list[str]]) -> list[set[str]]:
    found: list[set[str]] = []
    for row in rows:
        found += [set() for _ in range(len(row) - len(found))]
        for column, field in zip(found, row, strict=False):
            column.add(kind(field))
    return found


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no raw data in {SHARED}")
@pytest.mark.parametrize(
    ("name", "file", "real", "separator"),
    [
        *(("ml-1m", file, f"ml-1m/{file}", "::") for file in ("ratings.dat", "users.dat", "movies.dat")),
        *(("ml-100k", file, f"ml-100k/{file}", "\t") for file in ("u.data", "u1.base", "ua.test")),
        *(("ml-100k", file, f"ml-100k/{file}", "|") for file in ("u.user", "u.item", "u.genre", "u.occupation")),
        ("taobao", "UserBehavior.csv", "taobao-sample/fattydelivery_UserBehavior.csv", ","),
        *(
            ("kuairand-pure", f"{file}_pure.csv", f"kuairand-pure/data/{file}_pure.csv", ",")
            for file in ("log_standard_4_22_to_5_08", "user_features", "video_features_basic")
        ),
        (
            "kuairand-pure",
            "video_features_statistic_pure.csv",
            "kuairand-pure/data/video_features_statistic_pure.csv",
            ",",
        ),
        *(("gowalla", file, f"gowalla-til/{file}", " ") for file in ("train.txt", "test.txt")),
    ],
)
def test_layouts_are_those_of_the_real_files(
    name: str, file: str, real: str, separator: str, written: Callable[[str], tuple[Path, Known]]
) -> None:
    folder, _ = written(name)

    def fields(path: Path) -> list[list[str]]:
        latin = name in {"ml-1m", "ml-100k"}
        with path.open(encoding="iso-8859-1" if latin else "utf-8", newline="") as text:
            if separator == ",":
                return list(islice(csv.reader(text), 8000))
            return [line.removesuffix("\n").split(separator) for line in islice(text, 8000)]

    ours, theirs = fields(folder / file), fields(SHARED / real)
    if file == "video_features_statistic_pure.csv":
        theirs = [row[:52] for row in theirs]  # the last two columns were derived when that copy was made
    if name == "kuairand-pure":
        assert ours.pop(0) == theirs.pop(0)
    if name == "gowalla":
        ours, theirs = ([[word] for row in rows for word in row] for rows in (ours, theirs))
    elif name != "ml-100k" or file != "u.genre":  # whose last line is blank in both
        assert {len(row) for row in ours} == {len(row) for row in theirs}
    for place, (found, expected) in enumerate(zip(kinds(ours), kinds(theirs), strict=True)):
        assert found <= expected, f"column {place}"
