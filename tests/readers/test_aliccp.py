from __future__ import annotations

from pathlib import Path

import pytest

from recbench.errors import DataError
from recbench.sources.catalog import find
from tests.readers.read_files import Whole, read

ALI = {
    "sample_skeleton_train.csv": "1,1,0,00000000000000aa,3,205\x027\x031.0\x01210\x025\x031.0\x01206\x028\x031.0\n"
    "2,0,0,84dceed2e3a667f8,2,206\x029\x030.5\x01205\x0211\x031.0\n",
    "common_features_train.csv": "00000000000000aa,2,101\x021\x031.0\x01127_14\x023\x031.9\n"
    "84dceed2e3a667f8,2,121\x0298\x031.0\x01101\x022\x031.0\n",
    "sample_skeleton_test.csv": "1,0,0,0000350f0c2121e7,1,205\x027\x031.0\n",
    "common_features_test.csv": "0000350f0c2121e7,1,101\x021\x031.0\n",
}


def ali(folder: Path, **changed: str) -> Whole:
    for name, text in ALI.items():
        (folder / name).write_text(changed.get(name.removesuffix(".csv"), text))
    return read(find("aliccp"), folder, "given")


def test_aliccp(tmp_path: Path) -> None:
    log = ali(tmp_path).log
    columns = ["click", "purchase", "101", "121", "205", "206", "207", "split"]
    assert log.select(columns).rows() == [
        (1, 0, 1, None, 7, 8, None, "train"),
        (0, 0, 2, 98, 11, 9, None, "train"),
        (0, 0, 1, None, 7, None, None, "test"),
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("sample_skeleton_train", ",3,205", ",4,205", "line 1: says 4 features and lists 3"),
        (
            "sample_skeleton_train",
            "84dceed2e3a667f8",
            "84dceed2e3a667f9",
            "line 2: common features 84dceed2e3a667f9 are",
        ),
        ("sample_skeleton_train", "84dceed2e3a667f8", "84dceed2e3a667fx", "line 2, column `common`: expected 16 hexa"),
        ("sample_skeleton_train", "2,0,0", "2,no,0", "line 2, column `click`: expected a whole number, found `no`"),
        ("sample_skeleton_train", "2,0,0", "2,,0", "line 2, column `click`: empty"),
        ("sample_skeleton_test", "205\x027", "205\x027x", "line 1: the id of field 205 is not a whole number"),
        ("sample_skeleton_test", "205\x027", "205\x021234567890123", "line 1: the id of field 205 has more than 12"),
        (
            "common_features_train",
            "84dceed2e3a667f8",
            "00000000000000aa",
            "line 1: common features 00000000000000aa stand",
        ),
    ],
)
def test_bad_aliccp(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    text = ALI[f"{file}.csv"].replace(old, new)
    assert text != ALI[f"{file}.csv"]
    with pytest.raises(DataError, match=message) as caught:
        ali(tmp_path, **{file: text})
    assert f"{file}.csv" in str(caught.value)
