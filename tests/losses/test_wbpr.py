"""BPR with popular negatives and with users that count alike."""

from __future__ import annotations

from math import log

import pytest
import torch

from recbench.data.dataset import Dataset
from tests.losses.sampled_slates import inner_products, losses_of, model, model_on


def test_wbpr_without_a_power_is_bpr(view: Dataset) -> None:
    found = losses_of(model(view, "wbpr", beta="0"), view)
    assert torch.equal(found, losses_of(model(view, "bpr"), view))
    assert not torch.equal(found, losses_of(model(view, "wbpr"), view))


def test_wbpr_is_bpr_on_the_popularity_sampler(view: Dataset) -> None:
    whole, chosen = model(view, "wbpr", beta="0.5"), model_on(view, "bpr", "popularity", {"beta": 0.5})
    for epoch in (1, 2):
        assert torch.equal(losses_of(whole, view, epoch), losses_of(chosen, view, epoch))
    tables = whole.backbone.state_dict(), chosen.backbone.state_dict()
    assert all(torch.equal(tables[0][name], tables[1][name]) for name in tables[0])


def test_wbpr_can_count_users_alike(view: Dataset) -> None:
    """The sum of a user's weights over an epoch is the same for all, and their mean over rows is 1."""
    made = model(view, "wbpr", user_weight="true").loss
    (batch,) = made.sampler.batches(view, len(view.train), torch.Generator().manual_seed(0))
    weight = []
    for row in range(len(batch.user)):
        difference = torch.zeros(len(batch.user), 2, 1)
        difference[row, 1] = 30.0
        rest = float(made(inner_products(torch.zeros_like(difference)), batch))
        weight.append((float(made(inner_products(difference), batch)) - rest) * len(batch.user) / (30 - log(2)))
    total = torch.zeros(30).index_add_(0, batch.user, torch.tensor(weight))
    assert sum(weight) == pytest.approx(len(batch.user), rel=1e-3)
    assert total[total > 0].max() == pytest.approx(float(total[total > 0].min()), rel=1e-2)
    assert max(weight) > 1.2 * min(weight)
