from __future__ import annotations

from pathlib import Path

import pytest

from recbench.errors import DataError
from recbench.sources.catalog import find
from tests.readers.read_files import read


def test_interactions(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("0 5 6 5\n1\n2 7\n")
    (tmp_path / "test.txt").write_text("0 8\n")
    log = read(find("gowalla"), tmp_path, "given").log
    pairs = [(0, 5, "train"), (0, 6, "train"), (0, 5, "train"), (2, 7, "train"), (0, 8, "test")]
    assert log.rows() == pairs
    for text, message in (
        ("0 5\n\n1 2\n", "line 2: blank line"),
        ("0 5\n1 x\n", "line 2: expected whole numbers"),
        ("0 5\n1 -2\n", "line 2: expected whole numbers"),
        ("0\n1\n", "no user has an item"),
        ("0 5\n1 é\n", "line 2: expected whole numbers"),
    ):
        (tmp_path / "test.txt").write_text(text)
        with pytest.raises(DataError, match=message):
            read(find("gowalla"), tmp_path, "given")
