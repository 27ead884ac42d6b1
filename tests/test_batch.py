"""What batches compute of themselves."""

from __future__ import annotations

import inspect
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.batch import Batch, Pairs
from recbench.losses.building_blocks.per_task import means


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


def test_a_mean_over_something_else_than_slots_says_which_count() -> None:
    mask = torch.tensor([[True, False], [True, True]])
    batch = Batch(torch.tensor([0, 1]), torch.tensor([[1, 2], [1, 2]]), torch.zeros(2, 2, 1), mask)
    with pytest.raises(
        ValueError, match=r"a value for each slot, \[2, 2\], and got \[2\]; .* batch.mean\(value, counts\)"
    ):
        batch.mean(torch.tensor([1.0, 3.0]))
    assert batch.mean(torch.tensor([1.0, 3.0]), mask[:, 1]).item() == 3


ROWS = st.lists(st.tuples(st.integers(0, 3), st.lists(st.booleans(), min_size=2, max_size=2)), min_size=1, max_size=6)


@given(ROWS, st.integers(0, 99))
def test_a_row_of_weight_three_is_three_rows(rows: list[tuple[int, list[bool]]], seed: int) -> None:
    weight, mask = torch.tensor([float(times) for times, _ in rows]), torch.tensor([own for _, own in rows])
    value = torch.rand(len(rows), 2, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    user, item = torch.arange(len(rows)), torch.zeros(len(rows), 2)
    batch = Batch(user, item, torch.zeros(len(rows), 2, 1), mask, weight=weight.double())
    counted = [
        value[row, slot]
        for row, (times, own) in enumerate(rows)
        for slot in range(2)
        if own[slot]
        for _ in range(times)
    ]
    expected = torch.stack(counted).mean(0) if counted else value.new_zeros(3)
    torch.testing.assert_close(means(value, batch), expected)
    torch.testing.assert_close(batch.mean(value[..., 0]), expected[0])
    torch.testing.assert_close(batch.mean(value[:, 1, 0], mask[:, 1]), batch.mean(value[:, 1:, 0], mask[:, 1:]))


def test_weights_far_below_one_are_not_taken_for_none() -> None:
    weight = torch.tensor([1e-6, 3e-6])
    batch = Batch(torch.arange(2), torch.zeros(2, 1), torch.zeros(2, 1, 1), weight=weight)
    assert batch.mean(torch.tensor([[4.0], [8.0]])).item() == 7.0
