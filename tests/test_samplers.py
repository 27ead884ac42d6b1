"""Facts about slates: what is on them, what never is, and that a seed fixes them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.batch import Batch
from recbench.data.dataset import Dataset, Log, Positives
from recbench.errors import TrainingError
from recbench.samplers import Lists, Negatives, Rows, Sampler, Shared, Triplets
from tests.conftest import make_dataset

SAMPLERS = [Rows(), Triplets(), Triplets(4), Triplets(0), Shared(2), Lists(), Lists(7)]


def epoch(sampler: Sampler, data: Dataset, seed: int = 0, size: int = 64) -> list[Batch]:
    return list(sampler.batches(data, size, torch.Generator().manual_seed(seed)))


def pairs(log: Log) -> list[tuple[int, int]]:
    return sorted(zip(log.user.tolist(), log.item.tolist(), strict=True))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_a_seed_fixes_the_batches(sampler: Sampler, toy: Dataset) -> None:
    for first, second in zip(epoch(sampler, toy), epoch(sampler, toy), strict=True):
        assert torch.equal(first.item, second.item)
        assert torch.equal(first.label, second.label)
    assert not torch.equal(epoch(sampler, toy, 0)[0].user, epoch(sampler, toy, 1)[0].user)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_an_epoch_goes_once_through_the_rows(sampler: Sampler, toy: Dataset) -> None:
    assert sum(batch.rows for batch in epoch(sampler, toy)) == sampler.rows(toy)


@pytest.mark.parametrize("sampler", [Rows(), Lists(), Lists(7)], ids=str)
def test_every_logged_row_comes_once(sampler: Sampler, toy: Dataset) -> None:
    seen, labels = [], torch.zeros(3)
    for batch in epoch(sampler, toy):
        mask = torch.ones(batch.item.shape, dtype=torch.bool) if batch.mask is None else batch.mask
        user = batch.user[:, None].expand_as(batch.item)
        seen += list(zip(user[mask].tolist(), batch.item[mask].tolist(), strict=True))
        labels += batch.label[mask].sum(0)
    assert sorted(seen) == pairs(toy.train)
    assert torch.equal(labels, toy.train.label.sum(0).float())


@pytest.mark.parametrize("longest", [1, 5, 500])
def test_lists_hold_one_user_and_at_most_the_longest(longest: int, toy: Dataset) -> None:
    for batch in epoch(Lists(longest), toy):
        assert batch.mask is not None
        assert batch.mask.sum(1).max() <= longest
        assert batch.mask.any(1).all()


def test_lists_beyond_the_longest_are_cut_into_equal_parts() -> None:
    data = make_dataset(users=1, rows=100)
    lengths = [n for batch in epoch(Lists(30), data) for n in batch.mask.sum(1).tolist()]  # type: ignore[union-attr]
    assert sorted(lengths) == [25, 25, 25, 25]


@pytest.mark.parametrize("negatives", [1, 4])
def test_negatives_are_never_training_positives(negatives: int, toy: Dataset) -> None:
    positives = set(zip(toy.positives.user.tolist(), toy.positives.item.tolist(), strict=True))
    for batch in epoch(Triplets(negatives), toy):
        assert batch.label[:, 0].amax(-1).all()
        assert (batch.label[:, 1:] == 0).all()
        for user, items in zip(batch.user.tolist(), batch.item.tolist(), strict=True):
            assert (user, items[0]) in positives
            assert not {(user, item) for item in items[1:]} & positives


def test_shared_slates_mask_other_positives(toy: Dataset) -> None:
    positives = set(zip(toy.positives.user.tolist(), toy.positives.item.tolist(), strict=True))
    for batch in epoch(Shared(2), toy):
        assert batch.mask is not None
        count = len(batch.user)
        assert batch.item.shape == (1, batch.mask.shape[1])
        assert torch.equal(batch.mask[:, :count], torch.eye(count, dtype=torch.bool))
        pool = batch.item[0, count:].tolist()
        assert len(set(pool)) == len(pool)
        for row, user in enumerate(batch.user.tolist()):
            for slot, item in enumerate(pool):
                assert bool(batch.mask[row, count + slot]) == ((user, item) not in positives)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sets(st.integers(0, 8), max_size=9), min_size=1, max_size=6),
    st.integers(0, 2**31),
)
def test_drawn_items_are_free_and_users_without_any_are_marked(taken: list[set[int]], seed: int) -> None:
    user = torch.tensor([u for u, items in enumerate(taken) for _ in items], dtype=torch.long)
    item = torch.tensor([i for items in taken for i in items], dtype=torch.long)
    draw = Negatives(Positives.of(user, item, len(taken), 9), 9)
    drawn, valid, log_q = draw(torch.arange(len(taken)), 20, torch.Generator().manual_seed(seed))
    for u, items in enumerate(taken):
        free = set(range(9)) - items
        assert bool(valid[u].all()) == bool(free)
        if free:
            assert set(drawn[u].tolist()) <= free
            torch.testing.assert_close(log_q[u].exp(), torch.full((20,), 1 / len(free)))


def test_negatives_are_uniform() -> None:
    """Chi-squared with 5 degrees of freedom: 20.5 is its 99.9 % quantile."""
    taken = Positives.of(torch.tensor([1, 1, 1, 1]), torch.tensor([0, 3, 4, 9]), 3, 10)
    drawn, _, _ = Negatives(taken, 10)(torch.tensor([1]), 60_000, torch.Generator().manual_seed(7))
    count = torch.bincount(drawn[0], minlength=10)
    assert count[[0, 3, 4, 9]].sum() == 0
    observed = count[[1, 2, 5, 6, 7, 8]].double()
    assert ((observed - 10_000).square() / 10_000).sum() < 20.5


def test_items_unseen_in_training_are_not_drawn(toy: Dataset) -> None:
    known = toy.train.item < 30
    log = Log(toy.train.user[known], toy.train.item[known], toy.train.label[known])
    data = replace(toy, train=log, items=replace(toy.items, seen=30))
    for sampler in (Triplets(3), Shared(5)):
        assert max(int(batch.item.max()) for batch in epoch(sampler, data)) < 30


@pytest.mark.parametrize("sampler", [Triplets(), Shared()], ids=str)
def test_no_positive_at_all_is_an_error(sampler: Sampler, toy: Dataset) -> None:
    empty = replace(toy, train=replace(toy.train, label=torch.zeros_like(toy.train.label)))
    with pytest.raises(TrainingError, match="no training row has feedback view"):
        epoch(sampler, empty)
