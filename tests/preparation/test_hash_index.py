from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.preparation import hash_index
from recbench.preparation.hash_index import HashIndex


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=8), max_size=8))
def test_numbers_are_those_of_a_dictionary(blocks: list[list[tuple[int, int]]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hash_index, "FIRST_SLOTS", 2)  # so that keys meet in a slot, and the table grows
        patch.setattr(hash_index, "AT_ONCE", 3)
        index, known = HashIndex(), dict[tuple[int, int], int]()
        for block in blocks:
            keys = np.array(block, np.uint64).reshape(-1, 2)
            assert index.find(keys).tolist() == [known.get(key, -1) for key in block]
            fresh = [key for key in dict.fromkeys(block) if key not in known]
            known |= {key: len(known) + place for place, key in enumerate(fresh)}
            index.add(np.array(fresh, np.uint64).reshape(-1, 2))
            assert index.find(keys).tolist() == [known[key] for key in block]
            assert len(index) == len(known)


def test_the_table_is_at_most_half_full() -> None:
    index = HashIndex()
    random = np.random.default_rng(0)
    for size in (1, 1000, 60_000, 200_000):
        index.add(random.integers(2**63, size=(size, 2)).astype(np.uint64))
        assert len(index) <= len(index._slots) / 2
