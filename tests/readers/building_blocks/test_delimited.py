from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.errors import DataError
from recbench.readers.base import Source
from recbench.readers.building_blocks.delimited import read_delimited
from recbench.readers.building_blocks.layout import Kind, Layout
from recbench.sources.decompress import MOST_UNCHECKED

COLUMNS: dict[str, Kind] = {"a": "int", "b": "float", "c": "text"}


def read(folder: Path, content: bytes, block: int = 1 << 20, **options: Any) -> list[tuple[Any, ...]]:
    path = folder / "x.csv"
    path.write_bytes(content)
    layout = Layout(**{"columns": COLUMNS, "header": True} | options)
    return read_delimited(path, layout, Source({}, block=block)).rows()


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
        (
            b'a,b,c\n1,2,"x\ny"\n3,4,"z ""w"",\n\nv"\n5,6,q\n',
            {},
            [(1, 2.0, "x\ny"), (3, 4.0, 'z "w",\n\nv'), (5, 6.0, "q")],
        ),
        (b'"a","b","c"\r\n"1","","x"\r\n"2","3",""\r\n', {}, [(1, None, "x"), (2, 3.0, None)]),
        (b'1,2,"x,y"\n', {"header": False}, [(1, 2.0, "x,y")]),
        (b'1,2,5" pipe\n3,4,6" pipe\n', {"header": False}, [(1, 2.0, '5" pipe'), (3, 4.0, '6" pipe')]),
        (b"1,2,x'\n", {"header": False, "quote": ""}, [(1, 2.0, "x'")]),
        (b"1,2,'x,\ny'\n", {"header": False, "quote": "'"}, [(1, 2.0, "x,\ny")]),
        (b'a::b::c\n1::2::"x::y"\n', {"separator": "::"}, [(1, 2.0, "x::y")]),
        (b'"a\nb",b,c,"a\nb"\n1,2,x,3\n', {"columns": {"b": "float", "c": "text"}}, [(2.0, "x")]),
        (b"a,b,c\r1,2,x\r3,4,y\r", {}, [(1, 2.0, "x"), (3, 4.0, "y")]),
        (b"a;b;c\n1;2,5;x,y\n", {"separator": ";", "decimal": ","}, [(1, 2.5, "x,y")]),
        (b"a,b,c\nNA,2,x\n1,-,-\n", {"null_values": ["NA", "-"]}, [(None, 2.0, "x"), (1, None, None)]),
        (b'a,b,c\n"NA",2,"x\ny"\n', {"null_values": ["NA"]}, [(None, 2.0, "x\ny")]),
        ("a,b,c\n1,2,é\n".encode("utf-16"), {}, [(1, 2.0, "é")]),
        ("a,b,c\n1,2,é\n".encode("utf-16-be"), {"encoding": "utf-16-be"}, [(1, 2.0, "é")]),
        ("a,b,c\n1,2,é\n".encode("utf-32"), {"encoding": "utf-16"}, [(1, 2.0, "é")]),
        ("a,b,c\n1,2,日\n".encode("shift-jis"), {"encoding": "shift-jis"}, [(1, 2.0, "日")]),
    ],
)
def test_reads(tmp_path: Path, block: int, content: bytes, options: dict[str, Any], rows: list[Any]) -> None:
    assert read(tmp_path, content, block, **options) == rows
    for pack in (gzip.compress, bz2.compress, lzma.compress, zstd):
        assert read(tmp_path, pack(content), block, **options) == rows


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


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
        (b'a,b,c\n1,2,"x\n\n\ny"\n1,2\n', {}, "line 6: expected 3 fields separated by `,`, found 2"),
        (b'a,b,c\n1,2,"x\ny"\n\n1,2,"x\ny"\n', {}, "line 4: blank line"),
        (b'a,b,c\n1,2,"x\ny"\nz,2,w\n', {}, "line 4, column `a`: expected a whole number, found `z`"),
        (b'a,b,c\n1,2,"x\ny"\n,2,w\n', {"required": ["a"]}, "line 4, column `a`: empty"),
        (b'a,b,c\n1,2,"x\ny"\n1,2,w\n', {"unique": "a"}, "line 4, column `a`: 1 stands on an earlier line"),
        (b'a,b,c\n1,2,"x\ny"z\n', {}, "line 2: ',' expected after '\"'; double a quote inside quotes"),
        (b"a,b,c,b\n1,2,3,4\n", {}, "line 1: `b` stands twice"),
        (b"a,b,c\n1,2,x\n", {"encoding": "base64"}, "`base64` is not an encoding"),
        ("a,b,c\n1,2,é\n".encode("latin-1"), {"encoding": "ascii"}, "not ascii text"),
        ("a,b,c\n1,2,x\n".encode("utf-16")[:-1], {}, "correct `encoding`"),
        (b"BZh91AY&SY....", {}, "damaged bzip2 file"),
        (b"\xfd7zXZ\0....", {}, "damaged xz file"),
        (b"\x28\xb5\x2f\xfd....", {}, "damaged zstd file"),
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
        read_delimited(tmp_path, Layout(COLUMNS, header=True), Source({}))
    with pytest.raises(DataError, match="no such file"):
        read_delimited(tmp_path / "none.csv", Layout(COLUMNS, header=True), Source({}))


def test_a_line_without_end_and_a_gzip_file_cut_short(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a line of more than 64 bytes"):
        read(tmp_path, b"a,b,c\n" + b"1" * 90, 16)
    with pytest.raises(DataError, match="damaged gzip file"):
        read(tmp_path, gzip.compress(b"a,b,c\n" + b"1,2,x\n" * 99)[:-9])


def test_bytes_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"a,b,c\n" + b"1,2,x\n" * 99)
    told: list[int] = []
    read_delimited(tmp_path / "x.csv", Layout(COLUMNS, header=True), Source({}, block=64, advance=told.append))
    assert sum(told) == 600 and len(told) > 5


def test_a_number_that_stands_for_no_id_is_empty(tmp_path: Path) -> None:
    rows = read(tmp_path, b"a,b,c\n1.0,2,x\nNaN,2,x\n", columns={"a": "key"})
    assert rows == [("1.0",), (None,)]
    rows = read(tmp_path, b"a,b,c\nAnn,2,x\nNan,2,x\n", columns={"a": "key"})  # where ids are words, it is a name
    assert rows == [("Ann",), ("Nan",)]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd])
def test_what_grows_as_no_data_does_is_refused_early(tmp_path: Path, pack: Any) -> None:
    line = b"1,2," + b"x" * 251 + b"\n"  # long runs, which bzip2 packs in no time
    with pytest.raises(DataError, match="grows more than 200 times when it is unpacked") as caught:
        read(tmp_path, pack(b"a,b,c\n" + line * (MOST_UNCHECKED // 200)))
    assert "\n" not in str(caught.value)


def test_what_has_no_end_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(DataError, match="a pipe, socket or device, where a file is expected"):
            read_delimited(tmp_path / name, Layout(COLUMNS, header=True), Source({}))


def test_a_text_of_ten_megabytes_is_refused(tmp_path: Path) -> None:
    long = b"x" * 10_000_000
    for content in (b"a,b,c\n1,2," + long + b"\n", b'a,b,c\n1,2,"' + long + b'"\n', b"a,b,c\n1,2,x\n" + long):
        with pytest.raises(DataError, match="a line of more than 4,194,304 bytes"):
            read(tmp_path, content, 32 << 20)


RECORD = st.lists(st.text(st.sampled_from("ab,;\"'\n\r é"), max_size=4), min_size=3, max_size=3)


@given(records=st.lists(RECORD, min_size=1, max_size=12), block=st.sampled_from([24, 64, 1 << 20]))
def test_whatever_the_csv_module_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, records: Any, block: int
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    text = io.StringIO()
    csv.writer(text).writerows([["a", "b", "c"], *([f"r{row[0]}", *row[1:]] for row in records)])
    kinds: dict[str, Kind] = {"a": "text", "b": "text", "c": "text"}
    rows = read(folder, text.getvalue().encode(), block, columns=kinds)
    assert rows == [(f"r{a}", b or None, c or None) for a, b, c in records]
