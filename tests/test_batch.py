"""What batches compute of themselves."""

from __future__ import annotations

import inspect
from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.batch import Batch, Pairs


def test_what_is_computed_once_is_documented_on_the_class_and_kept_on_the_object() -> None:
    assert "Ordinal label" in str(dict(inspect.getmembers(Batch))["level"].__doc__)
    batch = Batch(torch.tensor([0]), torch.tensor([[1, 2]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]))
    assert batch.level.tolist() == [[1, 2]]
    assert batch.level is batch.level


@given(st.lists(st.lists(st.integers(0, 8), max_size=5), min_size=1, max_size=5), st.data())
def test_the_pairs_of_some_users_are_theirs_in_their_order(items: list[list[int]], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(items) - 1), max_size=6))
    start = torch.tensor([sum(map(len, items[:user])) for user in range(len(items) + 1)])
    item = torch.tensor([one for own in items for one in own], dtype=torch.long)
    pairs, user = Pairs(start, item, torch.arange(len(item)).float()[:, None]), torch.tensor(chosen, dtype=torch.long)
    found = pairs.of_users(user)
    ends = found.start.tolist()
    assert [found.item[a:b].tolist() for a, b in pairwise(ends)] == [items[user] for user in chosen]
    places = [place for user in chosen for place in range(int(start[user]), int(start[user + 1]))]
    assert found.label[:, 0].tolist() == places
