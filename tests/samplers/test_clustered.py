"""Negatives from clusters of items."""

from __future__ import annotations

import torch

from recbench.samplers import Clustered
from tests.samplers.proposals import (
    TAKEN,
    data_of,
    vectors,
)


def test_more_clusters_than_items_are_as_many_as_items() -> None:
    made = Clustered(100)
    made.refresh(*vectors(len(TAKEN)))
    drawn, valid, _ = made.on(data_of(TAKEN)).draw(torch.tensor([0]), 50, torch.Generator().manual_seed(0))
    assert valid.all()
    assert not set(drawn[0].tolist()) & TAKEN[0]
