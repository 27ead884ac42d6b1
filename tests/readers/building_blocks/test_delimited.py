from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from recbench.errors import DataError
from recbench.readers.base import Source
from recbench.readers.building_blocks.delimited import Kind, Layout, read_delimited

COLUMNS: dict[str, Kind] = {"a": "int", "b": "float", "c": "text"}


def read(folder: Path, content: bytes, block: int = 1 << 20, **options: Any) -> list[tuple[Any, ...]]:
    path = folder / "x.csv"
    path.write_bytes(content)
    layout = Layout(**{"columns": COLUMNS, "header": True} | options)
    return read_delimited(path, layout, Source({}, "global", block=block)).rows()


@pytest.mark.parametrize("block", [16, 1 << 20])
@pytest.mark.parametrize(
    ("content", "options", "rows"),
    [
        (b'a,b,c\n1,2,"x,""y"""\n2,,\n', {}, [(1, 2.0, 'x,"y"'), (2, None, None)]),
        (b"\xef\xbb\xbfa,b,c\r\n1,2,x\r\n\r\n\r\n", {}, [(1, 2.0, "x")]),
        (b"a,b,c\n9.0,1e3,x", {}, [(9, 1000.0, "x")]),
        (b"a,b,c\n1,2,\xe9\n", {"encoding": "iso-8859-1"}, [(1, 2.0, "é")]),
        (b"c,z,b,a\nx,9,2,1\n", {}, [("x", 2.0, 1)]),
        (b"a,b,c\n1,2,x\n", {"keep": ["c", "a"]}, [(1, "x")]),
    ],
)
def test_reads(tmp_path: Path, block: int, content: bytes, options: dict[str, Any], rows: list[Any]) -> None:
    assert read(tmp_path, content, block, **options) == rows
    assert read(tmp_path, gzip.compress(content), block, **options) == rows


def test_reads_a_separator_of_two_characters(tmp_path: Path) -> None:
    options = {"header": False, "separator": "::", "encoding": "iso-8859-1", "quote": ""}
    assert read(tmp_path, b'1::2::x:"y\n2::3::\xe9\n', **options) == [(1, 2.0, 'x:"y'), (2, 3.0, "é")]


def test_guesses_kinds_and_keeps_leading_zeros(tmp_path: Path) -> None:
    kinds: dict[str, Kind] = {"a": "guess", "b": "guess", "c": "guess"}
    for block in (8, 1 << 20):  # the kind of a column is that of the whole file, not of its first block
        rows = read(tmp_path, b"a,b,c\n7,2,1\n007,2.5,3\n", block, columns=kinds)
        assert rows == [("7", 2.0, 1), ("007", 2.5, 3)]


@pytest.mark.parametrize("block", [16, 1 << 20])
@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"a,b,c\n1,2,x\n1,2\n", {}, "line 3: expected 3 fields separated by `,`, found 2"),
        (b"a,b,c\n1,2,x\n1,2,3,4\n", {}, "line 3: expected 3 fields separated by `,`, found 4"),
        (b"1::2::x\n2::3\n", {"header": False, "separator": "::"}, "line 2: expected 3 fields separated by `::`"),
        (b"1\t2\tx\n2\t3\n", {"header": False, "separator": "\t"}, "line 2: expected 3 fields separated by `tab`"),
        (b"a,b,c\n1,2,x\n\n3,4,y\n", {}, "line 3: blank line"),
        (b"a,b,c\n1,2,x\n1.5,2,x\n", {}, "line 3, column `a`: expected a whole number, found `1.5`"),
        (b"a,b,c\n1,2,x\n1,zz,x\n", {}, "line 3, column `b`: expected a number, found `zz`"),
        (b"a,b,c\n", {}, "no rows below the header"),
        (b"", {}, "empty file"),
        (b"\n\n", {}, "line 1: blank, where the names of the columns are expected"),
        (b"\n\n", {"header": False}, "only blank lines"),
        (b"PK\x03\x04...", {}, "a zip archive, where text is expected; unpack"),
        (b"\x1f\x8b...", {}, "damaged gzip file"),
        (b"\n\n\n\n1,2,3\n", {"header": False}, "line 1: blank line"),
        (b"a,b,c\n1,2,x\n" + b"\n" * 40 + b"1,2,x\n", {}, "line 3: blank line"),
        (b"a,b,c\n1,2,3\n1\0,2,3\n", {}, "a binary file"),
        (b"a,bb,c\n1,2,3\n", {}, "line 1: no column `b`; did you mean `bb`? it has a, bb, c"),
        (b'a,b,c\n1,2,"x\n3,4,y\n', {}, "line 2: a quote opens and does not close"),
        (b"a,b,c\n1,2,x\n1,2,\xe9\n", {}, "line 3: not UTF-8 text (byte 0xe9)"),
        (b"a,b,c\n1,2,x\n", {"encoding": "klingon"}, "`klingon` is not an encoding"),
        (b"a,b,c\n1,2,x\n,2,y\n", {"required": ["a"]}, "line 3, column `a`: empty"),
        (b"a,b,c\n1,2,x\n2,2,y\n1,2,x\n", {"unique": "a"}, "line 4, column `a`: 1 stands on an earlier line"),
    ],
)
def test_bad_input(tmp_path: Path, block: int, content: bytes, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, content, block, **options)
    assert str(tmp_path / "x.csv") in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a folder, where a file is expected"):
        read_delimited(tmp_path, Layout(COLUMNS, header=True), Source({}, "global"))
    with pytest.raises(DataError, match="no such file"):
        read_delimited(tmp_path / "none.csv", Layout(COLUMNS, header=True), Source({}, "global"))


def test_a_line_without_end_and_a_gzip_file_cut_short(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a line of more than 64 bytes"):
        read(tmp_path, b"a,b,c\n" + b"1" * 90, 16)
    with pytest.raises(DataError, match="damaged gzip file"):
        read(tmp_path, gzip.compress(b"a,b,c\n" + b"1,2,x\n" * 99)[:-9])


def test_bytes_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"a,b,c\n" + b"1,2,x\n" * 99)
    told: list[int] = []
    read_delimited(tmp_path / "x.csv", Layout(COLUMNS, header=True), Source({}, "g", block=64, advance=told.append))
    assert sum(told) == 600 and len(told) > 5
