"""Backbones of sequences: which items the vector of a row has seen, and which rows an epoch goes through."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recbench.backbones.building_blocks.history import HistoryBackbone, Sequences
from recbench.backbones.mf import MF
from recbench.batch import Batch
from recbench.data.dataset import Dataset, Log
from recbench.data.toy import toy as make_dataset
from recbench.errors import UsageError
from recbench.samplers import InBatch, Mixed, Rows, Sampler, Shared, Triplets

BASE = 41  # more than there are items, so that a number in this base tells a sequence


class Spelling(HistoryBackbone):
    """The vector after a place spells the items up to there, as a number; it counts how many sequences it encoded."""

    name = "spelling"
    encoded = 0

    def __init__(self, data: Dataset, length: int, windows: Literal["last", "all"] = "last") -> None:
        super().__init__(data, 1, False, length, windows)
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def states(self, history: Sequences) -> Tensor:
        self.encoded += len(history.item)
        value = torch.zeros(len(history.item), dtype=torch.double)
        values = []
        for item in history.item.T:
            value = torch.where(item >= 0, value * BASE + item + 1, value)
            values.append(value)
        return torch.stack(values, 1)[..., None, None]

    def item_vectors(self, item: Tensor) -> Tensor:
        return item.double()[..., None, None]


def with_log(rows: list[tuple[int, int, int]]) -> Dataset:
    data = make_dataset().narrow(["view"])
    return replace(data, train=log_of(rows), items=replace(data.items, seen=8))


def log_of(rows: list[tuple[int, int, int]]) -> Log:
    table = torch.tensor(rows, dtype=torch.int32).reshape(-1, 3)
    return Log(table[:, 0].contiguous(), table[:, 1].contiguous(), table[:, 2:].to(torch.uint8))


def spelled(items: list[int]) -> int:
    value = 0
    for item in items:
        value = value * BASE + item + 1
    return value


def batch_of(data: Dataset, row: list[int]) -> Batch:
    index, log = torch.tensor(row, dtype=torch.long), data.train
    return Batch(log.user[index].long(), log.item[index].long()[:, None], log.label[index].float()[:, None], row=index)


ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 1)), min_size=1, max_size=30)


@given(ROWS, st.integers(1, 4), st.randoms(use_true_random=False))
def test_a_row_has_seen_its_window_up_to_it_and_scoring_the_last_items(
    rows: list[tuple[int, int, int]], length: int, random: Random
) -> None:
    data = with_log(rows)
    backbone = Spelling(data, length, "all")

    def past(user: int, before: int) -> list[int]:
        return [item for who, item, label in rows[:before] if who == user and label and item < 8]

    order = random.sample(range(len(rows)), len(rows))
    found = backbone.encode(batch_of(data, order)).user[:, 0, 0].tolist()
    for value, number in zip(found, order, strict=True):
        user = rows[number][0]
        last = max(other for other, row in enumerate(rows) if row[0] == user)
        own, every = past(user, number), past(user, last)
        begins = [0, *(len(every) - behind for behind in range(length, len(every), length))]
        assert value == spelled(own[max(begin for begin in begins if begin < len(own)) :] if own else [])
    backbone.entities_at_once = 3
    known, _ = backbone.tables()
    for user in range(5):
        assert known[user, 0, 0] == spelled(past(user, len(rows))[-length:])


def test_each_window_is_encoded_once() -> None:
    data = with_log([(0, item, 1) for item in range(8)] + [(1, item, 1) for item in range(3)])
    backbone = Spelling(data, 4)
    backbone.encode(batch_of(data, [7, 5, 6, 9, 10, 5]))
    assert backbone.encoded == 2
    backbone.encode(batch_of(data, [2, 7]))
    assert backbone.encoded == 4


def test_scoring_reads_what_is_known() -> None:
    """For validation the rows of train, for test those of validation too: only what `histories` was given counts."""
    data = with_log([(0, 1, 1), (0, 2, 1), (1, 3, 1)])
    backbone = Spelling(data, 2)
    before = backbone.encode(batch_of(data, [0, 1, 2])).user
    known = backbone.histories(log_of([(0, 1, 1), (0, 2, 1), (1, 3, 1), (0, 4, 1), (1, 9, 1), (2, 5, 1), (1, 6, 0)]))
    found = backbone(torch.arange(4), torch.zeros(1, 1, dtype=torch.long), known).user[:, 0, 0]
    assert found.tolist() == [spelled([2, 4]), spelled([3]), spelled([5]), 0]
    users, _ = backbone.tables()
    assert users[:4, 0, 0].tolist() == [spelled([1, 2]), spelled([3]), 0, 0]
    assert torch.equal(backbone.encode(batch_of(data, [0, 1, 2])).user, before)


def test_batches_without_rows_are_refused() -> None:
    data = with_log([(0, 1, 1), (0, 2, 1)])
    with pytest.raises(UsageError, match="backbone `spelling`: the batches have no `row`"):
        Spelling(data, 2).encode(replace(batch_of(data, [1]), row=None))


SAMPLERS = [Rows(), Triplets(), Triplets(0), Shared(negatives=1), InBatch(), Mixed(uniform=0.5)]


@pytest.mark.parametrize("windows", ["last", "all"])
@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_an_epoch_goes_through_whole_windows(sampler: Sampler, windows: Literal["last", "all"], toy: Dataset) -> None:
    length = 6
    backbone = Spelling(toy, length, windows)
    data = backbone.sequences(toy)
    log = toy.train
    before, count = [], [0] * len(toy.users)  # positives of its user before each row, and of each user so far
    for user, positive in zip(log.user.tolist(), log.label.amax(1).tolist(), strict=True):
        before.append(count[user])
        count[user] += positive
    last = dict(zip(log.user.tolist(), before, strict=True))  # before each user's last row
    expected = [
        row
        for row, (user, had) in enumerate(zip(log.user.tolist(), before, strict=True))
        if had
        and (windows == "all" or last[user] - had < length)
        and (isinstance(sampler, Rows) or log.label[row].any())
    ]
    batches = list(sampler.batches(data, 32, torch.Generator().manual_seed(0)))
    visited = torch.cat([batch.row for batch in batches if batch.row is not None])
    assert sorted(visited.tolist()) == expected
    assert sampler.rows(data) == len(expected)
    window = backbone.past.window[visited]
    assert len(torch.unique_consecutive(window)) == len(window.unique())  # one after the other
    assert not torch.equal(torch.unique_consecutive(window), window.unique())  # in random order
    same = window[1:] == window[:-1]
    assert bool((visited.diff()[same] > 0).all())  # each in the order of the log
    assert all(len(batch.user) == 32 for batch in batches[:-1])


def test_a_backbone_of_no_sequences_changes_nothing(toy: Dataset) -> None:
    assert MF(toy, 1, False).sequences(toy) is toy


def test_validation_rows_end_the_sequences(toy: Dataset) -> None:
    data = Spelling(toy, 6).sequences(toy)
    assert data.sequence is not None
    assert data.with_valid().sequence is None
