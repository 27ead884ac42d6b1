"""Damaged files of every reader: one line that says what is wrong, or counts that are those of what the file holds."""

from __future__ import annotations

import gzip
import random
import re
import shutil
import string
from collections.abc import Callable
from pathlib import Path

import pytest

from recbench.data.prepared_datasets import prepared_folders
from recbench.errors import RecbenchError
from recbench.preparation.prepare import prepare
from recbench.readers.base import Source, load_reader
from recbench.sources import catalog
from tests import facsimile

NAMES = (
    *("aliccp", "ae-es", "kuairand-pure", "retailrocket", "ml-100k", "ml-1m", "ml-20m", "amazon-books", "amazon-cd"),
    *("taobao", "gowalla", "gowalla-checkins"),
)
LOG = re.compile(r"skeleton|_item_|log_standard|events|u\.data|ratings|reviews|UserBehavior|train|test|Checkins")
ROWS = 1500
MANY = {"amazon-books": 12_000, "amazon-cd": 20_000, "gowalla-checkins": 9000}  # of which a core is left

Damage = Callable[[bytes, random.Random], bytes]


def lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def at(content: bytes, chance: random.Random, change: Callable[[bytes], bytes]) -> bytes:
    """Change one line, not the first."""
    rows = lines(content)
    place = chance.randrange(1, len(rows))
    rows[place] = change(rows[place])
    return b"".join(rows)


def number(line: bytes, chance: random.Random, new: bytes) -> bytes:
    """Put something else in place of one of the numbers of a line."""
    found = list(re.finditer(rb"\d+", line))
    if not found:
        return line
    match = chance.choice(found)
    return line[: match.start()] + new + line[match.end() :]


def noise(chance: random.Random) -> bytes:
    return "".join(chance.choices(string.printable, k=chance.randrange(1, 30))).encode()


DAMAGES: dict[str, Damage] = {
    "cut anywhere": lambda text, chance: text[: chance.randrange(1, len(text))],
    "cut after a line": lambda text, chance: b"".join(lines(text)[: chance.randrange(2, len(lines(text)))]),
    "a line cut short": lambda text, chance: at(text, chance, lambda line: line[: len(line) // 2] + b"\n"),
    "a line twice": lambda text, chance: at(text, chance, lambda line: line + line),
    "a line gone": lambda text, chance: at(text, chance, lambda line: b""),
    "a blank line": lambda text, chance: at(text, chance, lambda line: line + b"\n"),
    "a word for a number": lambda text, chance: at(text, chance, lambda line: number(line, chance, b"many")),
    "a huge number": lambda text, chance: at(text, chance, lambda line: number(line, chance, b"9" * 25)),
    "a negative number": lambda text, chance: at(text, chance, lambda line: number(line, chance, b"-7")),
    "nothing for a number": lambda text, chance: at(text, chance, lambda line: number(line, chance, b"")),
    "noise in a line": lambda text, chance: at(text, chance, lambda line: line[:3] + noise(chance) + line[3:]),
    "a line of noise": lambda text, chance: at(text, chance, lambda line: line + noise(chance) + b"\n"),
    "bytes of another encoding": lambda text, chance: at(text, chance, lambda line: line[:2] + b"\xff\xfe" + line[2:]),
    "a NUL": lambda text, chance: at(text, chance, lambda line: line[:2] + b"\0" + line[2:]),
    "other separators": lambda text, chance: text.replace(b",", b";").replace(b"::", b";").replace(b"\t", b"  "),
    "line ends of Windows": lambda text, chance: text.replace(b"\n", b"\r\n"),
    "a mark of byte order": lambda text, chance: b"\xef\xbb\xbf" + text,
    "another head": lambda text, chance: noise(chance).replace(b"\n", b" ") + text,
    "no text": lambda text, chance: b"",
    "only blank lines": lambda text, chance: b"\n\n\n",
    "a zip": lambda text, chance: b"PK\x03\x04" + text[:2000],
    "a gzip file cut short": lambda text, chance: gzip.compress(text)[:-20],
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("facsimiles")
    for name in NAMES:
        facsimile.write(name, root / name, MANY.get(name, ROWS))
    return root


def held(name: str, files: dict[str, Path]) -> int:
    """Rows that a plain reader of the text counts in the files of the log."""
    total = 0
    for file, path in files.items():
        if not LOG.search(file) or (name == "ae-es" and "_user_" in file):
            continue
        if name == "aliccp" and "common" in file:
            continue
        content = path.read_bytes()
        content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        kept = content.decode("latin-1").rstrip("\r\n").split("\n")
        if name == "gowalla":
            total += sum(len(line.split()) - 1 for line in kept)
        else:
            total += len(kept) - (name in ("kuairand-pure", "retailrocket", "ml-20m"))
    return total


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files(name: str, originals: Path, tmp_path: Path) -> None:
    chance = random.Random(name)
    spec = catalog.find(name)
    folder = tmp_path / "raw"
    shutil.copytree(originals / name, folder)
    prepare(name, raw=folder)
    before = {path.name: path.stat().st_mtime_ns for path in prepared_folders()[0].iterdir()}
    files = {path.name: path for path in folder.rglob("*") if path.name in spec.files}
    refused = 0
    for damage, change in DAMAGES.items():
        file = chance.choice(list(spec.files))
        whole = files[file].read_bytes()
        packed = whole.startswith(b"\x1f\x8b")
        damaged = change(gzip.decompress(whole) if packed else whole, chance)
        raw = damaged.startswith((b"PK", b"\x1f\x8b")) or not damaged
        files[file].write_bytes(gzip.compress(damaged) if packed and not raw else damaged)
        try:
            counted = sum(
                len(block)
                for block in load_reader(spec.reader)(spec, Source(files, shipped_parts=spec.split == "given")).log
            )
            prepare(name, raw=folder)
            expected = held(name, files)
            assert counted == expected, f"{damage} in {file}: read {counted} rows of {expected}"
        except RecbenchError as error:
            refused += 1
            told = str(error)
            assert "\n" not in told and len(told) < 600, f"{damage} in {file}: {told}"
            assert file in told or re.search(r"feedback|filter|split|rows|rule", told), f"{damage} in {file}: {told}"
            folders = prepared_folders()
            assert folders and folders[0].name == spec.split
        except Exception as error:
            raise AssertionError(f"{damage} in {file}: {type(error).__name__}: {error}") from error
        files[file].write_bytes(whole)
    assert refused >= len(DAMAGES) // 3
    assert prepared_folders()[0].parent.name == name
    assert set(before) == {path.name for path in prepared_folders()[0].iterdir()}


@pytest.mark.parametrize("name", NAMES)
def test_missing_files_and_folders_in_their_place(name: str, originals: Path, tmp_path: Path) -> None:
    spec = catalog.find(name)
    folder = tmp_path / "raw"
    shutil.copytree(originals / name, folder)
    file = next(path for path in folder.rglob(spec.files[0]))
    file.unlink()
    with pytest.raises(RecbenchError, match=f"{re.escape(spec.files[0])} not found"):
        prepare(name, raw=folder)
    file.mkdir()
    with pytest.raises(RecbenchError, match="a folder, where a file is expected"):
        prepare(name, raw=folder)


def test_there_are_enough_damages() -> None:
    assert len(NAMES) * len(DAMAGES) >= 200
