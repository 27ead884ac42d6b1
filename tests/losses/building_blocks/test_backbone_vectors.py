"""Losses that draw negatives by the vectors of the backbone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.losses.building_blocks.backbone_vectors import snapshot
from tests.losses.sampled_slates import loss_by_words, model


@pytest.mark.parametrize("name", ["aobpr", "pris"])
def test_negatives_follow_the_vectors_from_one_epoch_to_the_next(name: str, view: Dataset) -> None:
    made = model(view, name, **({"proposal": "cluster-uniform"} if name == "pris" else {}))

    def negatives() -> Tensor:
        batches = made.loss.sampler.batches(view, 64, torch.Generator().manual_seed(0))
        return torch.cat([batch.item for batch in batches])

    first = negatives()
    with torch.no_grad():
        for parameter in made.backbone.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(5))
    assert torch.equal(negatives(), first)
    made.start_epoch(1)
    assert not torch.equal(negatives(), first)


def test_a_snapshot_is_what_is_scored_and_a_copy(view: Dataset) -> None:
    made = model(view, "aobpr", cosine="true")
    made.backbone.train()
    user, item = snapshot(made.backbone)
    assert made.backbone.training
    torch.testing.assert_close(user.norm(dim=1), torch.ones(30))
    index = torch.arange(5)
    expected = made.backbone(index, index[:, None]).logit[:, 0, 0]
    torch.testing.assert_close((user[:5] * item[:5]).sum(1), expected)
    with torch.no_grad():
        for parameter in made.backbone.parameters():
            parameter.mul_(-1)
    torch.testing.assert_close((user[:5] * item[:5]).sum(1), expected)
    assert float((user - snapshot(made.backbone)[0]).abs().max()) > 0.1


def test_what_draws_by_vectors_refuses_a_backbone_without(view: Dataset) -> None:
    with pytest.raises(UsageError, match=r"`aobpr` on slates `adaptive` needs vectors"):
        model(view, "aobpr", "neumf")
    with pytest.raises(UsageError, match=r"`pris` on slates `clusters` needs vectors.*or other settings of the loss"):
        model(view, "pris", "neumf", proposal="cluster-popularity")
    assert model(view, "pris", "neumf").loss.name == "pris"


@pytest.mark.parametrize(
    ("name", "key", "word"),
    [
        ("wbpr", "beta", "-1"),
        ("wbpr", "negatives", "0"),
        ("aobpr", "share", "0"),
        ("pris", "negatives", "0"),
        ("pris", "clusters", "0"),
        ("pris", "beta", "-0.5"),
        ("pris", "proposal", "rank"),
        ("softmax", "negatives", "0"),
        ("softmax", "source", "everything"),
    ],
)
def test_settings_out_of_range(name: str, key: str, word: str) -> None:
    with pytest.raises(UsageError, match=rf"loss\.{key}={word}"):
        loss_by_words(name, **{key: word})
