"""The slots of slates, and the logits of positives and negatives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recbench.backbones.building_blocks.regulariser import Regulariser
from recbench.backbones.mf import MF
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


@pytest.mark.parametrize("backbone", ["mf", "lightgcn", "twintower", "ytdnn"])
def test_items_are_encoded_once_for_wide_slates_of_one_s_own(backbone: str, view: Dataset) -> None:
    made = model(view, "ssm", backbone, source="own", negatives="9")
    batch = next(made.loss.sampler.batches(view, 16, torch.Generator().manual_seed(0)))
    assert batch.item.numel() > view.items.seen
    once, each = made.loss.encode(made.backbone, batch), made.loss.head(made.backbone.encode(batch))
    assert once.item.shape[:2] == (1, view.items.seen) and each.item.shape[:2] == batch.item.shape
    torch.testing.assert_close(once.logit, each.logit)
    parameters = list(made.backbone.parameters())
    slopes = [torch.autograd.grad(made.loss(towers, batch), parameters) for towers in (once, each)]
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-4, atol=1e-6)


def test_narrow_slates_are_encoded_as_they_are(view: Dataset) -> None:
    for words in ({"source": "own", "negatives": "1"}, {}):
        made = model(view, "ssm", **words)
        batch = next(made.loss.sampler.batches(view, 16, torch.Generator().manual_seed(0)))
        assert made.loss.encode(made.backbone, batch).column is None
    made = model(view, "ssm", "neumf", source="own", negatives="9")  # whose scores are no inner products
    batch = next(made.loss.sampler.batches(view, 16, torch.Generator().manual_seed(0)))
    assert made.loss.encode(made.backbone, batch).column is None


@pytest.mark.parametrize("form", ["squares", "norms"])
@pytest.mark.parametrize("slots", ["all", "first"])
def test_the_penalty_is_that_of_the_slates(slots: str, form: str, view: Dataset) -> None:
    made = model(view, "ssm", source="own", negatives="9")
    assert isinstance(made.backbone, MF)
    made.backbone.register_l2(0.3)
    made.backbone.regulariser = Regulariser(l2_slots=slots, l2_form=form)  # type: ignore[arg-type]
    batch = next(made.loss.sampler.batches(view, 16, torch.Generator().manual_seed(0)))
    once, each = made.loss.encode(made.backbone, batch), made.backbone.encode(batch)
    expected = torch.as_tensor(each.regulariser(batch)).detach()
    assert once.column is not None and float(expected) > 0
    torch.testing.assert_close(torch.as_tensor(once.regulariser(batch)).detach(), expected)
