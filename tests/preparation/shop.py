"""A user's own dataset of 40 rows: CSV and the TOML that describes it."""

from __future__ import annotations

from pathlib import Path

TOML = """
[shop]
title = "Own shop"
reader = "table"
files = ["log.csv"]
time = "ts"
splits = ["global", "user"]

[shop.feedback]
buy = "event = 'buy'"
seen = "event IN ('seen', 'buy')"

[shop.user]
key = "user"
categorical = ["user", "city"]

[shop.item]
key = "item"
categorical = ["item"]
numeric = ["price"]
bag = ["tags"]
"""


def rows() -> list[list[str]]:
    """40 rows: 5 users and 8 items; the last row alone has user u9 in city X, item 99, and tag z."""
    lines = []
    for number in range(39):
        item = number * 3 % 8
        city = "" if number % 5 == 4 else "AB"[number % 5 % 2]
        event = "buy" if number % 4 == 0 else "seen" if number % 4 < 3 else "none"
        price = "" if item == 7 else str(item * 1.5)
        tags = "|".join("abc"[: item % 4])
        lines.append([f"u{number % 5}", city, str(item), price, tags, str(1000 + number), event])
    return [*lines, ["u9", "X", "99", "1000", "a|z|b|c|b", "1039", "seen"]]


def write(folder: Path, lines: list[list[str]] | None = None, toml: str = TOML) -> Path:
    """Write log.csv and own.toml into the folder; return the path of the TOML."""
    text = "user,city,item,price,tags,ts,event\n"
    text += "".join(",".join(line) + "\n" for line in (rows() if lines is None else lines))
    (folder / "log.csv").write_text(text)
    (folder / "own.toml").write_text(toml)
    return folder / "own.toml"
