"""Manifests as they should not be: refused in one line, and repaired by `prepare` without being asked to."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from recbench.data.dataset import Dataset
from recbench.data.manifest_file import read_manifest, write_manifest
from recbench.errors import DataError, RecbenchError
from recbench.preparation.leak_certificate import check_folder
from recbench.preparation.prepare import Prepared, prepare
from tests.preparation.shop import write

Fields = dict[str, Any]
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**63, 10**30, -0.5, 1.5, 1e308, float("nan"), float("inf")),
    *("", "x", "2.13M", "\x1b[2J", "../..", "x" * 10**5, [], [1], ["x", "x"], {}, {"x": 1}, [[[[]]]]),
)


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return prepare("shop", catalog=write(tmp_path))


def fields_of(folder: Path) -> Fields:
    fields: Fields = json.loads((folder / "manifest.json").read_text())
    return fields


def store(folder: Path, fields: Fields, own_digest: bool) -> None:
    """Write the fields; with a digest of their own they are as if recbench had written them."""
    if own_digest:
        fields.pop("digest", None)
        fields["digest"] = sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(fields))


def places(fields: Any) -> list[tuple[Any, Any]]:
    """Return all (container, key) of nested JSON values."""
    if not isinstance(fields, dict | list):
        return []
    keys = list(fields) if isinstance(fields, dict) else list(range(len(fields)))
    return [place for key in keys for place in [(fields, key), *places(fields[key])]]


def use(folder: Path) -> None:
    """Read all that is prepared, as the commands do."""
    data = Dataset.load(folder)
    data.read("test")
    check_folder(folder)


@pytest.mark.parametrize("own_digest", [False, True])
def test_altered_manifests_end_in_one_line(prepared: Prepared, own_digest: bool) -> None:
    draw = random.Random(own_digest)
    folder, original = prepared.folder, fields_of(prepared.folder)
    refused = 0
    for _ in range(150):
        fields = json.loads(json.dumps(original))
        container, key = draw.choice(places(fields))
        if draw.random() < 0.2:
            del container[key]
        else:
            container[key] = draw.choice(ODD)
        store(folder, fields, own_digest)
        try:
            use(folder)
        except RecbenchError as error:
            refused += 1
            message = str(error)
            assert "\n" not in message and "\x1b" not in message and len(message) < 500 and str(folder) in message
    assert refused > 90
    assert own_digest or refused >= 149  # nothing passes unless it is what was there


@pytest.mark.parametrize("number", [2**31, 10**15, 2**63, 10**30])
@pytest.mark.parametrize("key", ["count", "size"])
def test_a_check_refuses_more_users_or_values_than_have_numbers(prepared: Prepared, key: str, number: int) -> None:
    fields = fields_of(prepared.folder)
    users = fields["users"]
    (users if key == "count" else users["columns"][0])[key] = number
    store(prepared.folder, fields, own_digest=True)
    with pytest.raises(DataError, match="damaged manifest"):
        check_folder(prepared.folder)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-300]),
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00" * 100),
    "another format": lambda path: path.write_text('{"format": 2}'),
    "a format of many digits": lambda path: path.write_text(f'{{"format": {"9" * 5000}}}'),
    "deeply nested": lambda path: path.write_text("[" * 20_000),
    "a nested format": lambda path: path.write_text('{"format": ' + "[" * 20_000 + "]" * 20_000 + "}"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "not there": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_prepare_repairs_a_manifest_without_being_forced_to(prepared: Prepared, tmp_path: Path, damage: str) -> None:
    DAMAGES[damage](prepared.folder / "manifest.json")
    remedy = "run `recbench prepare shop --split global --catalog FILE.toml` to prepare it again"
    with pytest.raises(DataError, match=remedy) as caught:
        Dataset.load(prepared.folder)
    assert "\n" not in str(caught.value)
    again = prepare("shop", catalog=tmp_path / "own.toml")
    assert again.fresh and again.manifest.fingerprint == prepared.manifest.fingerprint
    assert not prepare("shop", catalog=tmp_path / "own.toml").fresh


def test_a_manifest_of_another_folder_is_refused(prepared: Prepared) -> None:
    other = prepared.folder.parent / "user"
    prepared.folder.rename(other)
    with pytest.raises(DataError, match="user: a copy of shop/global, which results would name; remove it"):
        read_manifest(other)


def test_manifests_hold_no_numbers_that_json_lacks(prepared: Prepared, tmp_path: Path) -> None:
    assert prepared.manifest == read_manifest(prepared.folder)
    write_manifest(tmp_path, prepared.manifest)
    json.loads((tmp_path / "manifest.json").read_text(), parse_constant=pytest.fail)
