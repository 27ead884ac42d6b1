from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from recbench.preparation.order_statistics import even_bounds, kth

NUMBERS = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5), min_size=1, max_size=200)


@example([9_223_372_032_560_201_723, 9_223_372_036_854_775_803], 0, 1)
@given(NUMBERS, st.integers(0, 10**6), st.integers(1, 50))
def test_order_statistics_of_blocks(numbers: list[int], rank: int, at_once: int) -> None:
    value = np.array(numbers, np.int64)
    blocks = [value[start : start + at_once] for start in range(0, len(value), at_once)]
    rank %= len(value)
    assert kth(lambda: iter(blocks), rank) == sorted(numbers)[rank]
    bounds = even_bounds(lambda: iter(blocks), at_once)
    assert (np.diff(bounds) > 0).all()
    place = np.searchsorted(bounds, value, side="right")
    for moment in set(numbers):
        assert len(set(place[value == moment])) == 1
    assert bounds.tolist() == sorted(bounds.tolist())


def test_order_statistics_of_many_numbers() -> None:
    value = np.random.default_rng(0).integers(0, 10**12, 3_000_000)
    blocks = np.array_split(value, 7)
    for rank in (0, 1, 1_000_000, 2_999_999):
        assert kth(lambda: iter(blocks), rank) == np.partition(value, rank)[rank]
    place = np.searchsorted(even_bounds(lambda: iter(blocks), 100_000), value, side="right")
    assert np.bincount(place).max() < 110_000
