"""Triplets: a positive and negatives of its own."""

from __future__ import annotations

import pytest
import torch

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.samplers import (
    Triplets,
    triplets,
)
from tests.samplers.epochs import epoch
from tests.samplers.proposals import KINDS, proposal


@pytest.mark.parametrize("negatives", [1, 4])
def test_negatives_are_never_training_positives(negatives: int, toy: Dataset) -> None:
    positives = set(zip(toy.positives.user.tolist(), toy.positives.item.tolist(), strict=True))
    for batch in epoch(Triplets(negatives), toy):
        assert batch.label[:, 0].amax(-1).all()
        assert (batch.label[:, 1:] == 0).all()
        for user, items in zip(batch.user.tolist(), batch.item.tolist(), strict=True):
            assert (user, items[0]) in positives
            assert not {(user, item) for item in items[1:]} & positives


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_drawn_does_not_depend_on_how_many_batches_are_filled_at_a_time(
    kind: str, toy: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def epoch() -> list[Batch]:
        return list(Triplets(2, proposal(kind, 30, 40)).batches(toy, 64, torch.Generator().manual_seed(3)))

    monkeypatch.setattr(triplets, "AHEAD", 64 * 3 * 4)
    some = epoch()
    monkeypatch.setattr(triplets, "AHEAD", 1)
    for batch, alone in zip(some, epoch(), strict=True):
        assert batch.rows == alone.rows == len(batch.user)
        for name in ("user", "item", "label", "mask", "log_q", "row"):
            assert torch.equal(getattr(batch, name), getattr(alone, name)), name


@pytest.mark.parametrize("kind", KINDS)
def test_triplets_hold_what_was_drawn(kind: str, toy: Dataset) -> None:
    positives = set(zip(toy.positives.user.tolist(), toy.positives.item.tolist(), strict=True))
    for batch in Triplets(3, proposal(kind, 30, 40)).batches(toy, 64, torch.Generator().manual_seed(0)):
        assert batch.log_q is not None
        assert batch.mask is not None
        assert batch.mask.all()
        assert (batch.log_q[:, 0] == 0).all()
        assert (batch.log_q[:, 1:] < 0).all()
        for user, items in zip(batch.user.tolist(), batch.item.tolist(), strict=True):
            assert (user, items[0]) in positives
            assert not {(user, item) for item in items[1:]} & positives
