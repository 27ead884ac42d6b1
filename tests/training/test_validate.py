"""The number that chooses the epoch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recbench.data.dataset import Dataset, concat_logs
from recbench.errors import UsageError
from recbench.training.model import build
from recbench.training.schedule import Schedule
from recbench.training.validate import Validation


def new_users(toy: Dataset) -> Dataset:
    """Split `users` of users 0 to 19 and 20 to 29."""
    whole = concat_logs(toy.train, toy.valid)
    held = whole.user >= 20
    return replace(toy, new_test_users=True, train=whole[~held], valid=whole[held], users=replace(toy.users, seen=20))


def test_validation_scores_the_rest_by_what_is_given(toy: Dataset) -> None:
    data = new_users(toy).narrow(["view"])
    validation = Validation(data, "recall@5")
    assert len(validation.log) < len(data.valid) / 3
    model = build(data, "bpr", "ytdnn", {"backbone.dim": 8, "loss.cosine": False}, seed=0, schedule=Schedule(lr=0.1))
    first = validation(model)
    known = validation.known
    assert known is not None
    users, _ = model.backbone.tables(model.backbone.histories(known))
    assert len(torch.unique(users[20:, 0], dim=0)) == len(torch.unique(known.user[known.label[:, 0] > 0]))
    assert validation(model) == first
    assert len(torch.unique(model.backbone.tables()[0][20:, 0], dim=0)) == 1  # in train they did nothing
    assert validation.protocol.history == "first 80% of held-out rows"
    assert validation.protocol.seen == "train+history"


@pytest.mark.parametrize("select", ["logloss", "ece", "pcoc", "anisotropy"])
def test_a_metric_whose_high_values_are_not_good_chooses_no_epoch(toy: Dataset, select: str) -> None:
    with pytest.raises(UsageError, match=f"train.select={select}: expected a metric where higher is better"):
        Validation(toy, select)
