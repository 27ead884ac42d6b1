from __future__ import annotations

from pathlib import Path

import pytest

from recbench.errors import DataError
from recbench.sources.catalog import find
from tests.readers.read_files import read


def test_citeulike(tmp_path: Path) -> None:
    (tmp_path / "users.dat").write_bytes(b"2 0 2\n0\n1 1")
    (tmp_path / "mult.dat").write_text("2 7:1 12:3\n0\n1 7:2\n")
    raw = read(find("citeulike-a"), tmp_path, "random")
    assert raw.log.select("user", "item").rows() == [(0, 0), (0, 2), (2, 1)]
    assert raw.items is not None and raw.items.rows() == [(0, "7|12"), (1, ""), (2, "7")]
    for text, message in (
        ("2 0 2\n2 1\n", "users.dat, line 2: expected a number and as many numbers after it"),
        ("2 0 2\n\n", "line 2: expected"),
        ("1 0\n1 x\n", "line 2: expected"),
        ("1 0\n1 -3\n", "line 2: expected"),
        ("x\n", "line 1: expected"),
        ("1 0\n2  5\n", "line 2: expected"),
        ("1 0\n1 5:3\n", "line 2: expected"),
    ):
        (tmp_path / "users.dat").write_text(text)
        with pytest.raises(DataError, match=message):
            read(find("citeulike-a"), tmp_path, "random")
    (tmp_path / "users.dat").write_text("1 0\n")
    for text in ("2 7:1 12\n", "1 :1\n", "1 7:\n"):
        (tmp_path / "mult.dat").write_text(text)
        with pytest.raises(DataError, match="mult.dat, line 1: expected"):
            read(find("citeulike-a"), tmp_path, "random")
