"""Users' lists and their longest length."""

from __future__ import annotations

import pytest

from recbench.data.dataset import Dataset
from recbench.samplers import Lists
from tests.conftest import make_dataset
from tests.samplers.epochs import epoch


@pytest.mark.parametrize("longest", [1, 5, 500])
def test_lists_hold_one_user_and_at_most_the_longest(longest: int, toy: Dataset) -> None:
    for batch in epoch(Lists(longest=longest), toy):
        assert batch.mask is not None
        assert batch.mask.sum(1).max() <= longest
        assert batch.mask.any(1).all()


def test_lists_beyond_the_longest_are_cut_into_equal_parts() -> None:
    data = make_dataset(users=1, rows=100)
    lengths = [n for batch in epoch(Lists(longest=30), data) for n in batch.mask.sum(1).tolist()]  # type: ignore[union-attr]
    assert sorted(lengths) == [25, 25, 25, 25]
