from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from recbench.preparation.entity_keys import Keys


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(0, 3) | st.none()), min_size=1, max_size=40))
def test_keys_are_numbered_as_they_appear(rows: list[tuple[str | None, int | None]]) -> None:
    log = pl.DataFrame(rows, schema={"x": pl.String, "y": pl.Int64}, orient="row")
    first = list(dict.fromkeys(rows))
    with TemporaryDirectory() as folder:
        keys = Keys(("x", "y"), Path(folder) / "keys.parquet")
        codes = [code for block in log.iter_slices(3) for code in keys.code(block)]
        assert codes == [first.index(row) for row in rows]
        assert [row[:2] for frame in keys.features.frames() for row in frame.rows()] == first
        single = Keys(("y",), Path(folder) / "single.parquet")
        codes = [code for block in log.iter_slices(3) for code in single.code(block)]
        order = single.order(np.zeros(len(single), np.bool_))
        ranked = sorted({y for _, y in rows}, key=lambda y: (y is None, y or 0))
        assert [ranked.index(y) for _, y in rows] == [order.tolist().index(code) for code in codes]
