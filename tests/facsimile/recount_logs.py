"""Facsimiles of Ali-CCP, AliExpress, KuaiRand, RetailRocket and Taobao, counted again from their text."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from tests.facsimile import (
    Contents,
    Counts,
    aliccp_tokens,
)
from tests.facsimile.recount import Row, copies, counted, lines, split, table


def check_aliccp(folder: Path, known: Contents) -> None:
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


def check_ae(folder: Path, known: Contents) -> None:
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


def check_kuairand(folder: Path, known: Contents) -> None:
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


def check_retailrocket(folder: Path, known: Contents) -> None:
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


def check_taobao(folder: Path, known: Contents) -> None:
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
