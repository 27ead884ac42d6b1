"""Facts about slates: what is on them, what never is, and that a seed fixes them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recbench.batch import Batch
from recbench.data.dataset import Dataset, Log
from recbench.errors import TrainingError
from recbench.samplers import InBatch, Lists, Popularity, Rows, Sampler, Shared, Triplets
from tests.conftest import make_dataset

SAMPLERS = [
    Rows(),
    Triplets(),
    Triplets(4),
    Triplets(0),
    Triplets(2, Popularity()),
    Shared(2),
    InBatch(),
    Lists(),
    Lists(7),
]


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


@pytest.mark.parametrize("sampler", [s for s in SAMPLERS if not isinstance(s, Lists)], ids=str)
def test_a_slate_knows_its_row(sampler: Sampler, toy: Dataset) -> None:
    for batch in epoch(sampler, toy):
        assert batch.row is not None
        assert torch.equal(toy.train.user[batch.row].long(), batch.user)
        own = batch.item[0] if batch.item.shape[0] == 1 else batch.item[:, 0]
        assert torch.equal(toy.train.item[batch.row].long(), own[: len(batch.user)])


def test_in_batch_slates_mask_other_positives_and_duplicates(toy: Dataset) -> None:
    positives = set(zip(toy.positives.user.tolist(), toy.positives.item.tolist(), strict=True))
    masked = 0
    for batch in epoch(InBatch(), toy):
        assert batch.mask is not None
        count = len(batch.user)
        assert batch.item.shape == (1, count)
        for row, user in enumerate(batch.user.tolist()):
            for slot, item in enumerate(batch.item[0].tolist()):
                assert bool(batch.mask[row, slot]) == (row == slot or (user, item) not in positives)
                masked += (user, item) in positives
        own = toy.train.label[batch.row].float()
        assert torch.equal(batch.label, torch.eye(count)[..., None] * own[:, None])
    assert masked > 100


def test_in_batch_log_q_is_the_share_of_positive_rows(toy: Dataset) -> None:
    row = toy.train.label.amax(1).bool()
    count = torch.bincount(toy.train.item[row], minlength=40)
    for batch in epoch(InBatch(), toy):
        assert batch.log_q is not None
        expected = (count / row.sum())[batch.item].expand_as(batch.log_q)
        torch.testing.assert_close(batch.log_q.exp(), expected)


def test_items_unseen_in_training_are_not_drawn(toy: Dataset) -> None:
    known = toy.train.item < 30
    log = Log(toy.train.user[known], toy.train.item[known], toy.train.label[known])
    data = replace(toy, train=log, items=replace(toy.items, seen=30))
    for sampler in (Triplets(3), Triplets(3, Popularity()), Shared(5), InBatch()):
        assert max(int(batch.item.max()) for batch in epoch(sampler, data)) < 30


@pytest.mark.parametrize("sampler", [Triplets(), Shared(), InBatch()], ids=str)
def test_no_positive_at_all_is_an_error(sampler: Sampler, toy: Dataset) -> None:
    empty = replace(toy, train=replace(toy.train, label=torch.zeros_like(toy.train.label)))
    with pytest.raises(TrainingError, match="no training row has feedback view"):
        epoch(sampler, empty)
