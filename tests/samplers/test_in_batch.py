"""The positives of a batch as each other's negatives."""

from __future__ import annotations

import torch

from recbench.data.dataset import Dataset
from recbench.samplers import InBatch
from tests.samplers.epochs import epoch


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


def test_everything_counts_where_nothing_is_masked(toy: Dataset) -> None:
    for masked, batch in zip(epoch(InBatch(), toy), epoch(InBatch(mask_positives=False), toy), strict=True):
        assert batch.mask is not None and batch.mask.all()
        assert torch.equal(batch.item, masked.item) and torch.equal(batch.label, masked.label)
