"""Files that changed after they were written: never read in silence."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from recbench.data.dataset import Dataset
from recbench.data.manifest_file import read_manifest
from recbench.errors import DataError
from recbench.home import home
from recbench.preparation.leak_certificate import check_folder
from recbench.preparation.prepare import prepare
from tests.preparation.shop import write

FLIPS = 500


def test_flipped_bits_are_never_read_in_silence(tmp_path: Path) -> None:
    folder = prepare("shop", catalog=write(tmp_path)).folder
    data, manifest = Dataset.load(folder), read_manifest(folder)
    draw, silent = random.Random(0), []
    files = [*manifest.files, "manifest.json"]
    assert {"train.parquet", "vocabulary/user.parquet", "vocabulary/item.tags.parquet"} < set(files)
    for number in range(FLIPS):
        path = folder / files[number % len(files)]
        whole = path.read_bytes()
        place = draw.randrange(8 * len(whole))
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            check_folder(folder)
            silent.append((path.name, place))
        except DataError as error:
            assert str(path) in str(error) and "\n" not in str(error)
        if path.name in ("users.parquet", "items.parquet", "train.parquet", "valid.parquet", "manifest.json"):
            with pytest.raises(DataError):
                Dataset.load(folder)
        if path.name in ("test.parquet", "manifest.json"):
            with pytest.raises(DataError):
                data.read("test")
        path.write_bytes(whole)
    assert silent == []
    assert check_folder(folder)[0].message == f"all {len(manifest.files)} files are as they were written"


def test_prepare_repairs_a_damaged_file(tmp_path: Path) -> None:
    first = prepare("shop", catalog=write(tmp_path))
    path = first.folder / "vocabulary" / "user.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match=r"user.parquet: damaged \(changed since it was written\); run `recbench prep"):
        check_folder(first.folder)
    again = prepare("shop", catalog=tmp_path / "own.toml")
    assert again.fresh and again.manifest.fingerprint == first.manifest.fingerprint
    assert check_folder(again.folder)[0].status == "ok"


@pytest.mark.parametrize("name", ["[ab]", "a*", "a?", "{a,b}", "x=1"])
def test_a_home_whose_name_is_a_pattern(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where paths are taken for patterns, `[ab]` reads the files of `a`."""
    raw = tmp_path / "raw"
    raw.mkdir()
    monkeypatch.setenv("RECBENCH_HOME", str(tmp_path / name))
    own = prepare("shop", catalog=write(raw))
    for other in ("a", "ab"):
        monkeypatch.setenv("RECBENCH_HOME", str(tmp_path / other))
        prepare("shop", catalog=raw / "own.toml", seed=1)
        for part in ("train", "test", "users"):
            (home() / "prepared" / "shop" / "global" / f"{part}.parquet").write_bytes(b"another file")
    monkeypatch.setenv("RECBENCH_HOME", str(tmp_path / name))
    data = Dataset.load(own.folder)
    assert len(data.train) == 25 and len(data.read("test")) == 12
    assert check_folder(own.folder)[0].status == "ok"
