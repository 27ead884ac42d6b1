"""One pool of negatives for all users of a batch."""

from __future__ import annotations

import pytest
import torch

from recbench.data.dataset import Dataset
from recbench.samplers import Pool
from tests.samplers.epochs import epoch
from tests.samplers.proposals import chi_squared


@pytest.mark.parametrize("mask_positives", [True, False])
@pytest.mark.parametrize("negatives", [1, 12, 1000])
def test_slates_are_one_s_own_positive_and_distinct_items(negatives: int, mask_positives: bool, toy: Dataset) -> None:
    positives = set(zip(toy.positives.user.tolist(), toy.positives.item.tolist(), strict=True))
    for batch in epoch(Pool(negatives=negatives, mask_positives=mask_positives), toy):
        size, items = len(batch.user), batch.item[0].tolist()
        pool = items[size:]
        assert batch.positive_slots == size
        assert items[:size] == toy.train.item[batch.row].tolist()
        assert len(pool) == len(set(pool)) == min(negatives, toy.items.seen)
        assert batch.mask is not None and batch.log_q is not None
        for row, user in enumerate(batch.user.tolist()):
            own = [slot == row for slot in range(size)]
            others = [not mask_positives or (user, item) not in positives for item in pool]
            assert batch.mask[row].tolist() == own + others
        own_label = toy.train.label[batch.row].float()
        assert torch.equal(batch.label[:, :size], torch.eye(size)[..., None] * own_label[:, None])
        assert not batch.label[:, size:].any()
        assert not batch.log_q[:, :size].any()
        share = torch.full((size, len(pool)), len(pool) / toy.items.seen)
        torch.testing.assert_close(batch.log_q[:, size:].exp(), share)


def test_the_pool_is_uniform(toy: Dataset) -> None:
    drawn = [b.item[0, len(b.user) :] for seed in range(40) for b in epoch(Pool(negatives=12), toy, seed)]
    assert chi_squared(torch.cat(drawn), [1 / toy.items.seen] * toy.items.seen) > 1e-3
