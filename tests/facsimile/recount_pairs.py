"""Counts of CiteULike, LCFN's split, KuaiRec, Steam and Yambda, from their text."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import polars as pl

from tests.facsimile import Contents
from tests.facsimile.recount import Row, copies, core, counted, lines, table


def check_citeulike(folder: Path, known: Contents) -> None:
    listed = [line.split(" ") for line in lines(folder / "users.dat")]
    assert all(int(words[0]) == len(words) - 1 == len(set(words[1:])) for words in listed)
    pairs = [(str(user), item) for user, words in enumerate(listed) for item in words[1:]]
    assert known.log == counted((("all", *pair, {"keep": True}) for pair in pairs), ["keep"])
    articles = [line.split(" ") for line in lines(folder / "mult.dat")]
    assert all(int(words[0]) == len(words) - 1 for words in articles)
    assert all(int(count) > 0 for words in articles for _, count in (word.split(":") for word in words[1:]))
    assert known.quirks == {"words": sum(len(words) - 1 for words in articles)}
    assert max(int(item) for _, item in pairs) < len(articles)


def check_item_lists(folder: Path, known: Contents) -> None:
    rows: list[Row] = []
    for part, name in (("train", "train"), ("valid", "validation"), ("test", "test")):
        (line,) = lines(folder / f"{name}_data.json")
        for user, items in enumerate(json.loads(line)):
            rows += [(part, str(user), str(item), {"rating": True}) for item in items]
    assert known.log == counted(rows, ["rating"])
    assert not copies((user, item) for _, user, item, _ in rows) and not known.quirks


def check_kuairec(folder: Path, known: Contents) -> None:
    parts = {"train": table(folder / "big_matrix.csv"), "test": table(folder / "small_matrix.csv")}
    header = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio"
    assert {",".join(row) for rows in parts.values() for row in rows} == {header}
    rows: list[Row] = [
        (part, row["user_id"], row["video_id"], {"like": float(row["watch_ratio"]) > 2})
        for part, found in parts.items()
        for row in found
    ]
    assert known.log == counted(rows, ["like"])
    for row in (row for found in parts.values() for row in found):
        assert abs(float(row["watch_ratio"]) - int(row["play_duration"]) / int(row["video_duration"])) < 1e-6
        assert bool(row["timestamp"]) == bool(row["time"]) == bool(row["date"])
        assert not row["time"] or row["time"][:10].replace("-", "") == row["date"]
    users, videos = ({row[key] for row in parts["test"]} for key in ("user_id", "video_id"))
    assert 0.98 < len(parts["test"]) / len(users) / len(videos) < 1
    assert all(row["timestamp"] for row in parts["train"])
    assert known.quirks == {
        "unwatched": sum(row["play_duration"] == "0" for found in parts.values() for row in found),
        "without_time": sum(not row["timestamp"] for row in parts["test"]),
    }
    assert all(known.quirks.values())


def check_steam(folder: Path, known: Contents) -> None:
    reviews = [ast.literal_eval(line) for line in lines(folder / "steam_reviews.json.gz")]
    pairs = [(review["username"], review["product_id"]) for review in reviews]
    assert known.log == counted((("all", *pair, {"review": True}) for pair in pairs), ["review"])
    left = core(set(pairs), 5)
    assert left and not copies(pairs)
    assert known.kept == {"five": counted((("all", *pair, {"review": True}) for pair in left), ["review"])}
    assert any("é" in user for user, _ in pairs) and any("'" in user for user, _ in pairs)
    unknown = sum("hours" not in review for review in reviews)
    tied = copies((review["username"], review["date"]) for review in reviews)
    assert known.quirks == {"hours_unknown": unknown, "tied_days": tied} and unknown and tied


def check_yambda(folder: Path, known: Contents) -> None:
    events = pl.read_parquet(folder / "multi_event.parquet").to_dicts()
    rows: list[Row] = [
        (
            "all",
            str(event["uid"]),
            str(event["item_id"]),
            {
                "listen": event["event_type"] == "listen" and event["played_ratio_pct"] >= 50,
                "like": event["event_type"] == "like",
            },
        )
        for event in events
    ]
    assert known.log == counted(rows, ["listen", "like"])
    chosen = [row for row, event in zip(rows, events, strict=True) if event["event_type"] in {"listen", "like"}]
    assert known.kept == {"counted": counted(chosen, ["listen", "like"])}
    assert all((event["played_ratio_pct"] is None) == (event["event_type"] != "listen") for event in events)
    assert {event["timestamp"] % 5 for event in events} == {0}
    assert known.quirks == {"unknown_share": sum(event["played_ratio_pct"] is None for event in events)}
