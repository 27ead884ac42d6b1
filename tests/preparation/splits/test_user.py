from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbench.preparation.splits.base import Ratio
from recbench.preparation.splits.user import cut_each_user

RATIO = (63, 7, 30)
Log = list[tuple[int, int]]  # user, time
LOGS = st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 12)), min_size=1, max_size=60)


@given(LOGS, st.sampled_from([RATIO, (8, 1, 1), (3, 0, 1)]))
def test_user_cut_is_chronological_and_counts_are_exact(log: Log, ratio: Ratio) -> None:
    user = np.array([who for who, _ in log], np.uint32)
    time = np.array([moment for _, moment in log], np.int64)
    part = cut_each_user(user, time, ratio)
    train, valid, _ = ratio
    for who in np.unique(user):
        own = np.flatnonzero(user == who)
        ordered = part[own[np.argsort(time[own], kind="stable")]]
        assert (np.diff(ordered.astype(int)) >= 0).all()
        fit = max(1, math.floor((train + valid) * len(own) / sum(ratio) + 1e-9))
        kept = max(1, math.floor(train * fit / (train + valid) + 1e-9))
        assert (ordered == 0).sum() == kept
        assert (ordered < 2).sum() == fit


def test_rounding_of_a_users_train_rows() -> None:
    def train(rows: int, rounding: str) -> int:
        part = cut_each_user(np.zeros(rows, np.uint32), np.arange(rows), (7, 0, 3), rounding)
        return int((part == 0).sum())

    assert [train(n, "floor") for n in (1, 2, 3, 5, 10)] == [1, 1, 2, 3, 7]
    assert [train(n, "round") for n in (1, 2, 3, 5, 10)] == [1, 1, 2, 4, 7]
    # Spark's percent_rank of row i of n is i / (n - 1): those at or below 0.7 are train
    expected = [sum(i / max(1, n - 1) <= 0.7 for i in range(n)) for n in (1, 2, 3, 5, 10)]
    assert [train(n, "percent-rank") for n in (1, 2, 3, 5, 10)] == expected
