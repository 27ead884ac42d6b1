from __future__ import annotations

from pathlib import Path

import pytest

from recbench.errors import DataError
from recbench.sources.catalog import find
from tests.readers.read_files import read


def test_item_lists(tmp_path: Path) -> None:
    (tmp_path / "train_data.json").write_text("[[5, 6], [], [7]]")
    (tmp_path / "validation_data.json").write_text('{"0": [8], "2": [9]}')  # users by number
    (tmp_path / "test_data.json").write_text("[[], [5]]\n")
    log = read(find("ml-1m-m1"), tmp_path, "given").log
    pairs = [(0, 5, "train"), (0, 6, "train"), (2, 7, "train"), (0, 8, "valid"), (2, 9, "valid"), (1, 5, "test")]
    assert log.rows() == pairs
    for text, message in (
        ("[[5, 6]", "test_data.json: not readable as JSON"),
        ("[" * 100_000, "test_data.json: not readable as JSON"),
        ("[[5], [6.5]]", "user 1: expected a list of whole numbers"),
        ("[[5], [true]]", "user 1: expected a list of whole numbers"),
        ("[[5], [-1]]", "user 1: expected a list of whole numbers"),
        ("[5]", "user 0: expected a list of whole numbers"),
        ('{"a": [5]}', "user a: expected a list of whole numbers"),
        ('{"1": [5], "01": [6]}', "user 01: expected a list of whole numbers"),
        ("[[], []]", "no user has an item"),
        ("3", "no user has an item"),
        ("", "empty file"),
    ):
        (tmp_path / "test_data.json").write_text(text)
        with pytest.raises(DataError, match=message):
            read(find("ml-1m-m1"), tmp_path, "given")
