from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recbench.preparation.splits.base import Ratio
from recbench.preparation.splits.building_blocks.moments import by_bounds
from recbench.preparation.splits.global_ import time_bounds
from recbench.preparation.splits.user import cut_each_user

RATIO = (63, 7, 30)
Log = list[tuple[int, int]]  # user, time
LOGS = st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 12)), min_size=1, max_size=60)


def global_cut(time: NDArray[np.int64], ratio: Ratio = RATIO, at_once: int = 7) -> NDArray[np.uint8]:
    """Cut as the pipeline does: the times are read in blocks."""
    blocks = [time[start : start + at_once] for start in range(0, len(time), at_once)]
    return by_bounds(time, time_bounds(lambda: iter(blocks), len(time), ratio))


@given(LOGS)
def test_global_cut_partitions_in_time(log: Log) -> None:
    time = np.sort(np.array([moment for _, moment in log], np.int64))
    part = global_cut(time)
    assert set(part) <= {0, 1, 2}
    assert (np.diff(part) >= 0).all()  # so no train row is later than a valid or test row
    for moment in np.unique(time):
        assert len(set(part[time == moment])) == 1
    cut = time[len(time) * 7 // 10]
    assert ((part == 2) == (time >= cut)).all()


def test_cuts_by_hand() -> None:
    time = np.arange(100, dtype=np.int64)
    assert np.bincount(global_cut(time)).tolist() == [63, 7, 30]
    assert np.bincount(global_cut(time[:90])).tolist() == [56, 7, 27]  # 0.7 * 90 is below 63 in floats
    ties = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, 1], np.int64)
    assert global_cut(ties).tolist() == [1, 1, 1] + [2] * 7
    assert cut_each_user(np.zeros(10, np.uint32), time[:10], RATIO).tolist() == [0] * 6 + [1] + [2] * 3
