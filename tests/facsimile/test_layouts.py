"""Facsimiles have the layouts of the real files, where those are at hand."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import pytest

from tests.facsimile import (
    Contents,
)

SHARED = Path(__file__).parents[2] / "../shared/data"


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
    name: str, file: str, real: str, separator: str, written: Callable[[str], tuple[Path, Contents]]
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
