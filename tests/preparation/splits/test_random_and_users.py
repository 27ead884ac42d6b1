from __future__ import annotations

import numpy as np

from recbench.preparation.splits.random import draw_rows
from recbench.preparation.splits.users import draw_users


def test_random_splits_are_of_the_row_and_the_seed() -> None:
    row = np.arange(100_000, dtype=np.uint32)
    part = draw_rows(row, (8, 1, 1), 0)
    assert np.abs(np.bincount(part) / len(row) - [0.8, 0.1, 0.1]).max() < 0.005
    assert (draw_rows(row[500:700], (8, 1, 1), 0) == part[500:700]).all()
    other = draw_rows(row, (8, 1, 1), 1)
    assert 0.3 < (other != part).mean() < 0.4  # independent: 1 - (0.8^2 + 0.1^2 + 0.1^2)
    drawn = draw_users(1000, (8, 1, 1), 0)
    assert np.bincount(drawn).tolist() == [800, 100, 100]
    assert (draw_users(1000, (8, 1, 1), 1) != drawn).any()
