"""BPR with negatives that the model ranks high."""

from __future__ import annotations

import torch

from recbench.data.dataset import Dataset
from recbench.losses.aobpr import AOBPR
from recbench.samplers import AdaptiveRank, Triplets
from tests.losses.sampled_slates import loss_by_words, losses_of, model, model_on


def test_aobpr_draws_what_the_model_ranks_high(view: Dataset) -> None:
    made = model(view, "aobpr", share="0.02")
    with torch.no_grad():
        for parameter in made.backbone.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(5))
    made.start_epoch(1)
    gaps = []
    for sampler in (made.loss.sampler, Triplets()):
        (batch,) = sampler.batches(view, len(view.train), torch.Generator().manual_seed(0))
        logit = made.backbone(batch.user, batch.item).logit[:, 1, 0].detach()
        gaps.append(float(logit.mean()))
    assert gaps[0] > gaps[1] + 1


def test_aobpr_is_bpr_on_the_adaptive_sampler(view: Dataset) -> None:
    whole = model(view, "aobpr", share="0.1", negatives="2")
    chosen = model_on(view, "bpr", "adaptive", {"share": 0.1, "negatives": 2})
    for epoch in (1, 2, 3):
        assert torch.equal(losses_of(whole, view, epoch), losses_of(chosen, view, epoch))


def test_aobpr_draws_for_the_share_it_was_given() -> None:
    made = loss_by_words("aobpr", share="0.2")
    assert isinstance(made, AOBPR)
    assert made.sampler == Triplets(1, AdaptiveRank(0.2))
