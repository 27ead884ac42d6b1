"""What every sampler holds to: a seed fixes its batches, and an epoch goes once through the rows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recbench.data.dataset import Dataset, Log
from recbench.errors import TrainingError
from recbench.samplers import InBatch, Lists, Popularity, Rows, Sampler, Shared, Triplets
from tests.samplers.epochs import SAMPLERS, epoch, pairs


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_a_seed_fixes_the_batches(sampler: Sampler, toy: Dataset) -> None:
    for first, second in zip(epoch(sampler, toy), epoch(sampler, toy), strict=True):
        assert torch.equal(first.item, second.item)
        assert torch.equal(first.label, second.label)
    assert not torch.equal(epoch(sampler, toy, 0)[0].user, epoch(sampler, toy, 1)[0].user)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_an_epoch_goes_once_through_the_rows(sampler: Sampler, toy: Dataset) -> None:
    assert sum(batch.rows for batch in epoch(sampler, toy)) == sampler.rows(toy)


@pytest.mark.parametrize("sampler", [Rows(), Lists(), Lists(longest=7)], ids=str)
def test_every_logged_row_comes_once(sampler: Sampler, toy: Dataset) -> None:
    seen, labels = [], torch.zeros(3)
    for batch in epoch(sampler, toy):
        mask = torch.ones(batch.item.shape, dtype=torch.bool) if batch.mask is None else batch.mask
        user = batch.user[:, None].expand_as(batch.item)
        seen += list(zip(user[mask].tolist(), batch.item[mask].tolist(), strict=True))
        labels += batch.label[mask].sum(0)
    assert sorted(seen) == pairs(toy.train)
    assert torch.equal(labels, toy.train.label.sum(0).float())


@pytest.mark.parametrize("sampler", [s for s in SAMPLERS if not isinstance(s, Lists)], ids=str)
def test_a_slate_knows_its_row(sampler: Sampler, toy: Dataset) -> None:
    for batch in epoch(sampler, toy):
        assert batch.row is not None
        assert torch.equal(toy.train.user[batch.row].long(), batch.user)
        own = batch.item[0] if batch.item.shape[0] == 1 else batch.item[:, 0]
        assert torch.equal(toy.train.item[batch.row].long(), own[: len(batch.user)])


def test_items_unseen_in_training_are_not_drawn(toy: Dataset) -> None:
    known = toy.train.item < 30
    log = Log(toy.train.user[known], toy.train.item[known], toy.train.label[known])
    data = replace(toy, train=log, items=replace(toy.items, seen=30))
    for sampler in (Triplets(3), Triplets(3, Popularity()), Shared(negatives=5), InBatch()):
        assert max(int(batch.item.max()) for batch in epoch(sampler, data)) < 30


@pytest.mark.parametrize("sampler", [Triplets(), Shared(), InBatch()], ids=str)
def test_no_positive_at_all_is_an_error(sampler: Sampler, toy: Dataset) -> None:
    empty = replace(toy, train=replace(toy.train, label=torch.zeros_like(toy.train.label)))
    with pytest.raises(TrainingError, match="no training row has feedback view"):
        epoch(sampler, empty)
