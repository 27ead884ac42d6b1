"""One pool of negatives for the batch."""

from __future__ import annotations

import torch

from recbench.data.dataset import Dataset
from recbench.samplers import Shared
from tests.samplers.epochs import epoch


def test_shared_slates_mask_other_positives(toy: Dataset) -> None:
    positives = set(zip(toy.positives.user.tolist(), toy.positives.item.tolist(), strict=True))
    for batch in epoch(Shared(negatives=2), toy):
        assert batch.mask is not None
        count = len(batch.user)
        assert batch.item.shape == (1, batch.mask.shape[1])
        assert torch.equal(batch.mask[:, :count], torch.eye(count, dtype=torch.bool))
        pool = batch.item[0, count:].tolist()
        assert len(set(pool)) == len(pool)
        for row, user in enumerate(batch.user.tolist()):
            for slot, item in enumerate(pool):
                assert bool(batch.mask[row, count + slot]) == ((user, item) not in positives)
