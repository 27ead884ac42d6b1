from __future__ import annotations

from pathlib import Path

import pytest

from recbench.errors import DataError
from recbench.readers.aliexpress import ITEM, USER
from recbench.sources.catalog import find
from tests.readers.read_files import read


def test_aliexpress(tmp_path: Path) -> None:
    spec = find("ae-nl")
    whole_numbers = {*spec.user.categorical, *spec.item.categorical}
    users = ["1," + ",".join("3" if name in whole_numbers else "0.5" for name in USER[1:])]
    items = [
        f"1,{','.join('1' if name in whole_numbers else '0.25' for name in ITEM[1:-1])},{rating}" for rating in (0, 2)
    ]
    for part in ("train", "test"):
        (tmp_path / f"nl_user_{part}.csv").write_text("\n".join(users) + "\n")
        (tmp_path / f"nl_item_{part}.csv").write_text("\n".join(items) + "\n")
    log = read(spec, tmp_path, "given").log
    assert log.select(
        "pv_id", "rating", "feature_7", "mu1_dim1", "item_feature_17", "item_feature_0", "split"
    ).rows() == [(1, rating, 3, 0.5, 1, 0.25, part) for part in ("train", "test") for rating in (0, 2)]
    for old, new, message in (
        (",2", ",3", "line 2, column `rating`: expected 0, 1 or 2, found 3"),
        ("1,", "9,", "page view 9"),
    ):
        damaged = [items[0], items[1][: -len(old)] + new if old == ",2" else new + items[1][len(old) :]]
        (tmp_path / "nl_item_test.csv").write_text("\n".join(damaged) + "\n")
        with pytest.raises(DataError, match=message):
            read(spec, tmp_path, "given")
