from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.preparation import hash_index
from recbench.preparation.hash_index import Hashes, HashIndex


def hashes(keys: list[int]) -> tuple[Hashes, Hashes]:
    """Return hashes of which the first ones are often equal."""
    which = np.array(keys, np.uint64)
    return which % np.uint64(7), which


@given(st.lists(st.lists(st.integers(0, 30), max_size=8), max_size=8))
def test_numbers_are_those_of_a_dictionary(blocks: list[list[int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hash_index, "FIRST_SLOTS", 2)  # so that keys meet in a slot, and the table grows
        patch.setattr(hash_index, "AT_ONCE", 3)
        index, known = HashIndex(), dict[int, int]()
        for block in blocks:
            keys = hashes(block)
            assert index.find(*keys).tolist() == [known.get(key, -1) for key in block]
            fresh = [key for key in dict.fromkeys(block) if key not in known]
            known |= {key: len(known) + place for place, key in enumerate(fresh)}
            index.add(*hashes(fresh))
            assert index.find(*keys).tolist() == [known[key] for key in block]
            assert len(index) == len(known)


def test_the_table_is_at_most_half_full() -> None:
    index = HashIndex()
    random = np.random.default_rng(0)
    for size in (1, 1000, 60_000, 200_000):
        index.add(*random.integers(2**63, size=(2, size)).astype(np.uint64))
        assert len(index) <= len(index._slots) / 2
