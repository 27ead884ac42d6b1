"""The slots of slates, and the logits of positives and negatives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset
from recbench.losses.building_blocks.sampled_softmax import Slates, scaled
from recbench.samplers import InBatch, Mixed, Pool, Sampler, Shared, Triplets
from tests.losses.sampled_slates import model

SAMPLERS = [Pool(negatives=12), Shared(negatives=2), Triplets(5), InBatch(), Mixed(uniform=0.5)]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_logits_are_those_of_the_towers(sampler: Sampler, view: Dataset) -> None:
    made = model(view, "ssm", logit="learned", bias="0.7")
    batch = next(sampler.batches(view, 16, torch.Generator().manual_seed(0)))
    towers = made.loss.head(made.backbone.encode(batch))
    candidates = Slates.of(batch)
    assert candidates.first == {"Pool": 16, "Shared": 16, "Triplets": 1}.get(type(sampler).__name__, 0)
    expected = candidates.split(towers.logit[..., 0])
    torch.testing.assert_close(candidates.logits(towers), expected)
    torch.testing.assert_close(scaled(candidates.inner(towers), towers), expected)
    parameters = [*made.backbone.parameters(), *made.loss.parameters()]
    slopes = [
        torch.autograd.grad(own.sum() + rest.square().sum(), parameters, retain_graph=True)
        for own, rest in both(towers, batch)
    ]
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-4, atol=1e-4)


def both(towers: Towers, batch: Batch) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield positives and negatives by themselves, and split from all logits."""
    candidates = Slates.of(batch)
    yield candidates.logits(towers)
    yield candidates.split(towers.logit[..., 0])


def test_slots(view: Dataset) -> None:
    for sampler in SAMPLERS:
        batch = next(sampler.batches(view, 16, torch.Generator().manual_seed(0)))
        candidates, anywhere = Slates.of(batch), Slates.of(replace(batch, positive_slots=0))
        assert batch.mask is not None
        positive = (batch.label[..., 0] > 0) & batch.mask
        assert positive.gather(1, candidates.slot).all() and torch.equal(candidates.slot, anywhere.slot)
        assert torch.equal(anywhere.negative, batch.mask & ~positive)
        assert torch.equal(candidates.negative, anywhere.negative[:, candidates.first :])
        assert torch.equal(candidates.counts, candidates.negative.any(1))
        assert torch.equal(candidates.counts, anywhere.counts)
