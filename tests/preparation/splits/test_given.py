from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from recbench.errors import DataError
from recbench.preparation import coded_log
from recbench.preparation.splits.given import valid_of_train

RATIO = (63, 7, 30)


def test_parts_as_shipped_and_valid_of_train() -> None:
    part = coded_log.part_numbers("x", pl.Series(["train"] * 10 + ["test"] * 2))
    assert part.tolist() == [0] * 10 + [2, 2]
    user, row = np.zeros(12, np.uint32), np.arange(12, dtype=np.uint32)
    time = np.arange(12, dtype=np.int64)[::-1].copy()
    assert valid_of_train(part, user, time, row, RATIO, 0).tolist() == [1] + [0] * 9 + [2, 2]
    many = np.repeat(np.array([0, 2], np.uint8), 50_000)
    row = np.arange(len(many), dtype=np.uint32)
    drawn = valid_of_train(many, row, None, row, RATIO, 0)
    assert (drawn[50_000:] == 2).all() and abs((drawn == 1).sum() / 50_000 - 0.1) < 0.005
    with pytest.raises(DataError, match="holds `dev`; expected train, valid or test"):
        coded_log.part_numbers("x", pl.Series(["train", "dev"]))
