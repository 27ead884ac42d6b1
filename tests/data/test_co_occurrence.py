"""Common members against Python's own sets."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.co_occurrence import common_members, incidence
from recbench.data.dataset import Positives


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), max_size=30), st.integers(0, 5), st.integers(0, 5))
def test_common_members(pairs: list[tuple[int, int]], first: int, last: int) -> None:
    index = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)
    sets = Positives.from_pairs(index[:, 0], index[:, 1], 6, 7)
    chosen = range(min(first, last), max(first, last) + 1)
    (row, column), count = common_members(incidence(sets, 7, chosen), incidence(sets, 7, range(6)).T)
    found = {(chosen[r], c): n for r, c, n in zip(row.tolist(), column.tolist(), count.tolist(), strict=True)}
    members = [{item for user, item in pairs if user == number} for number in range(6)]
    common = {(a, b): len(members[a] & members[b]) for a in chosen for b in range(6)}
    assert found == {pair: number for pair, number in common.items() if number}
