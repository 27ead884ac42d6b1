"""The whole catalogue as one slate for each positive row."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recbench.data.dataset import Dataset
from recbench.errors import TrainingError
from recbench.samplers import CatalogueRows
from tests.samplers.epochs import epoch


def test_every_positive_row_comes_once_with_its_feedback(toy: Dataset) -> None:
    visited = []
    for batch in epoch(CatalogueRows(), toy, size=50):
        pairs, row = batch.pairs, batch.row
        assert pairs is not None and row is not None
        assert batch.item.tolist() == [list(range(toy.items.seen))]
        assert pairs.start.tolist() == list(range(len(batch.user) + 1))
        assert torch.equal(toy.train.user[row].long(), batch.user)
        assert torch.equal(toy.train.item[row].long(), pairs.item)
        assert torch.equal(toy.train.label[row].float(), pairs.label)
        assert batch.rows == len(row) <= 50
        visited += row.tolist()
    assert sorted(visited) == toy.train.label.amax(1).nonzero()[:, 0].tolist() != visited
    assert CatalogueRows().rows(toy) == len(visited)


def test_without_feedback_there_is_nothing_to_train_on(toy: Dataset) -> None:
    nothing = replace(toy, train=replace(toy.train, label=torch.zeros_like(toy.train.label)))
    with pytest.raises(TrainingError, match="no training row has feedback"):
        epoch(CatalogueRows(), nothing)
