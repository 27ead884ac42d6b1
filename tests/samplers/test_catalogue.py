"""The whole catalogue as one slate, with labels as pairs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recbench.batch import Pairs
from recbench.data.dataset import Dataset
from recbench.errors import TrainingError
from recbench.samplers import Catalogue
from tests.samplers.epochs import epoch


def test_every_user_comes_once_with_all_his_feedback(toy: Dataset) -> None:
    expected: dict[tuple[int, int], list[int]] = {}
    log = toy.train
    for user, item, label in zip(log.user.tolist(), log.item.tolist(), log.label.tolist(), strict=True):
        before = expected.get((user, item), [0] * len(toy.feedback))
        expected[user, item] = [max(pair) for pair in zip(before, label, strict=True)]
    expected = {pair: label for pair, label in expected.items() if any(label)}
    found = {}
    for batch in epoch(Catalogue(), toy):
        pairs = batch.pairs
        assert pairs is not None and batch.rows == len(pairs.item) == int(pairs.start[-1])
        assert batch.item.tolist() == [list(range(toy.items.seen))]
        assert batch.label.shape == (len(batch.user), 0, len(toy.feedback))
        assert batch.slots == len(batch.user) * toy.items.seen
        for slate, user in enumerate(batch.user.tolist()):
            for place in range(int(pairs.start[slate]), int(pairs.start[slate + 1])):
                assert (user, int(pairs.item[place])) not in found
                found[user, int(pairs.item[place])] = pairs.label[place].tolist()
    assert found == expected


def test_batches_are_of_equally_many_users_and_about_as_many_positives_as_asked_for(toy: Dataset) -> None:
    per_user = len(toy.positives.item) / int((toy.positives.start.diff() > 0).sum())
    for size in (1, 40, 100, 10**9):
        users = [len(batch.user) for batch in epoch(Catalogue(), toy, size=size)]
        assert set(users[:-1]) <= {users[0]} and users[-1] <= users[0]
        assert users[0] == min(max(1, round(size / per_user)), sum(users))
    assert Catalogue().rows(toy) == sum(batch.rows for batch in epoch(Catalogue(), toy))


def test_the_order_of_users_is_the_generator_s(toy: Dataset) -> None:
    first, again, other = (torch.cat([b.user for b in epoch(Catalogue(), toy, seed)]) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_without_feedback_there_is_nothing_to_train_on(toy: Dataset) -> None:
    nothing = replace(toy, train=replace(toy.train, label=torch.zeros_like(toy.train.label)))
    with pytest.raises(TrainingError, match="no training row has feedback"):
        epoch(Catalogue(), nothing)


def test_pairs_take_memory_as_the_feedback_does_not_as_the_slates(toy: Dataset) -> None:
    (batch,) = epoch(Catalogue(), toy, size=10**9)
    assert isinstance(batch.pairs, Pairs)
    held = [batch.user, batch.item, batch.label, *vars(batch.pairs).values()]
    assert sum(part.numel() for part in held) < 6 * len(toy.positives.item) + toy.items.seen < batch.slots * 6
