from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from recbench.errors import DataError
from tests.preparation.test_filters import SPEC, logged, read


@pytest.mark.parametrize("dtype", [pl.Float64, pl.Int64, pl.String])
@pytest.mark.parametrize("key", ["u", "i"])
def test_a_row_that_names_no_user_or_item_is_refused(tmp_path: Path, key: str, dtype: type[pl.DataType]) -> None:
    frame = pl.DataFrame({"u": [1.0, 2, 3], "i": [1.0, 2, 3], "rating": [5, 5, 5], "t": [1, 2, 3]})
    if dtype == pl.Float64:
        nothing = pl.Series(key, [1.0, 2.0, float("nan")])
    else:
        nothing = pl.Series(key, ["1", "2", ""] if dtype == pl.String else [1, 2, None], dtype=dtype)
    frame = frame.with_columns(nothing)
    with pytest.raises(DataError, match=f"x: row 3 of the log, column `{key}`: empty; every row needs one"):
        read(tmp_path / "a", frame)
    assert read(tmp_path / "b", frame, replace(SPEC, filter="t < 3")).rows == 2  # a filter may leave it out


def test_a_log_without_rows_and_a_filter_that_is_neither_true_nor_false(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no log rows; check the files and the filter \(u > 9\)"):
        logged(tmp_path / "a", [(1, 1)], replace(SPEC, filter="u > 9"))
    with pytest.raises(DataError, match='filter = "u" is not true or false'):
        logged(tmp_path / "b", [(1, 1)], replace(SPEC, filter="u"))
