"""The positives of a batch and uniform items as negatives."""

from __future__ import annotations

import pytest
import torch

from recbench.data.dataset import Dataset
from recbench.samplers import InBatch, Mixed
from tests.samplers.epochs import epoch
from tests.samplers.proposals import chi_squared, data_of


@pytest.mark.parametrize("uniform", [0.01, 0.25, 5.0])
def test_mixed_slates_are_positives_then_distinct_items_without_those_of_the_user(uniform: float, toy: Dataset) -> None:
    positives = set(zip(toy.positives.user.tolist(), toy.positives.item.tolist(), strict=True))
    for batch in epoch(Mixed(uniform=uniform), toy):
        size = len(batch.user)
        items = batch.item[0].tolist()
        assert items[:size] == toy.train.item[batch.row].tolist()
        pool = items[size:]
        assert len(pool) == len(set(pool)) == min(max(1, round(size * uniform)), toy.items.seen)
        assert batch.mask is not None
        for row, user in enumerate(batch.user.tolist()):
            expected = [row == slot or (user, item) not in positives for slot, item in enumerate(items)]
            assert batch.mask[row].tolist() == expected
        assert not batch.label[:, size:].any()


def test_the_uniform_items_are_uniform(toy: Dataset) -> None:
    drawn = [b.item[0, len(b.user) :] for seed in range(40) for b in epoch(Mixed(uniform=0.2), toy, seed)]
    assert chi_squared(torch.cat(drawn), [1 / toy.items.seen] * toy.items.seen) > 1e-3


def test_log_q_is_the_mixture_by_hand(toy: Dataset) -> None:
    """Of N slots, B hold an item with the share of its positive rows, and N - B with 1 / items."""
    positive = toy.train.label.amax(1).bool()
    rows = toy.train.item[positive].tolist()
    for batch in epoch(Mixed(uniform=0.5), toy):
        size, items = len(batch.user), batch.item[0].tolist()
        rest = len(items) - size
        expected = [(size * rows.count(item) / len(rows) + rest / toy.items.seen) / len(items) for item in items]
        assert batch.log_q is not None
        torch.testing.assert_close(batch.log_q[0].exp(), torch.tensor(expected))
        assert torch.equal(batch.log_q[0], batch.log_q[-1])


def test_the_positives_come_as_in_batch(toy: Dataset) -> None:
    (first, *_), (other, *_) = epoch(Mixed(), toy, size=32), epoch(InBatch(), toy, size=32)
    assert torch.equal(first.user, other.user)
    assert torch.equal(first.item[:, :32], other.item)
    assert first.mask is not None and other.mask is not None
    assert torch.equal(first.mask[:, :32], other.mask)


def test_everything_counts_where_nothing_is_masked(toy: Dataset) -> None:
    for masked, batch in zip(epoch(Mixed(), toy), epoch(Mixed(mask_positives=False), toy), strict=True):
        assert batch.mask is not None and batch.mask.all()
        assert torch.equal(batch.item, masked.item) and torch.equal(batch.label, masked.label)


def test_log_q_of_published_values() -> None:
    """Four in-batch and two uniform items of three, which have shares 0.5, 0.25 and 0.25 of the positive rows."""
    data = data_of([{0, 1}, {0, 2}], items=3)
    batch = next(Mixed(uniform=0.5).batches(data, 4, torch.Generator().manual_seed(0)))
    assert batch.item.shape == (1, 6) and batch.log_q is not None
    published = {0: -0.8109302162163288, 1: -1.2809338454620645, 2: -1.2809338454620645}
    assert batch.log_q[0].tolist() == pytest.approx([published[item] for item in batch.item[0].tolist()])
