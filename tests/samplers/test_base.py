"""What every sampler holds to: a seed fixes its batches, and an epoch goes once through the rows."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from recbench.data.dataset import Dataset, Log
from recbench.errors import TrainingError, UsageError
from recbench.samplers import InBatch, Lists, Popularity, Rows, Sampler, Shared, Triplets, base
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


@pytest.mark.parametrize("sampler", [s for s in SAMPLERS if "row" in s.gives], ids=str)
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


def test_every_sampler_is_a_value_with_settings_of_its_own() -> None:
    for name in base.SAMPLERS.names():
        values = base.defaults(name)
        made = base.create(values)
        assert made == base.create(base.resolve({"name": name}))
        assert base.resolve({"name": name}) == values
        for key in values.keys() - {"name"}:
            other = {bool: False, float: 0.5}.get(type(values[key]), 3)
            changed = base.create(base.resolve({"name": name, key: str(other)}))
            assert changed != made and changed == base.create(values | {key: other})


def test_no_words_choose_no_sampler() -> None:
    assert base.resolve({}) == {}
    assert base.create({}) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"name": "popular"}, "unknown sampler `popular`; did you mean `popularity`?"),
        ({"name": "popularity", "bete": "1"}, "unknown setting `bete` of sampler; did you mean `beta`?"),
        ({"name": "popularity", "beta": "-1"}, "sampler.beta=-1.0: expected a number in [0, 30]"),
        ({"name": "clusters", "beta": "400"}, "sampler.beta=400.0: expected a number in [0, 30]"),
        ({"name": "shared", "negatives": "0"}, "sampler.negatives=0: expected at least 1"),
        ({"beta": "1"}, "sampler.beta=1: of which sampler? Add --sampler NAME"),
    ],
)
def test_words_that_choose_none(words: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        base.resolve(words)


def test_a_recorded_setting_that_is_out_of_range_is_refused() -> None:
    with pytest.raises(UsageError, match="sampler.share=0: expected a number above 0"):
        base.create({"name": "adaptive", "negatives": 1, "share": 0})


def test_a_sampler_that_needs_vectors_has_a_refresh() -> None:
    with pytest.raises(NotImplementedError, match="Rows needs vectors and has no `refresh`"):
        Rows().refresh(torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(()))


@pytest.mark.parametrize("name", base.SAMPLERS.names())
def test_a_sentence_calls_slates_by_the_name_that_is_typed(name: str) -> None:
    assert base.SAMPLERS.get(name)().title == f"`{name}`"


def test_slates_of_a_loss_are_called_as_the_sampler_that_draws_alike() -> None:
    assert Triplets(5, Popularity(0.5)).title == "`popularity`"
    assert Triplets(0).title == "Triplets(negatives=0, proposal=Uniform())"  # positive pairs alone: nobody draws alike


@pytest.mark.parametrize("ahead", [1, 130, 1 << 17])
def test_batches_are_those_rows_however_many_are_read_at_once(
    ahead: int, toy: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "AHEAD", ahead)
    order = torch.randperm(len(toy.train), generator=torch.Generator().manual_seed(3))
    batches = list(base.logged_batches(toy.train, order, 32))
    for batch, index in zip(batches, order.split(32), strict=True):
        expected = base.logged_rows(toy.train, index)
        assert batch.rows == len(index)
        for name in ("user", "item", "label", "row"):
            one, other = getattr(batch, name), getattr(expected, name)
            assert torch.equal(one, other) and one.stride() == other.stride()
