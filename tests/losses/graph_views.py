"""A small LightGCN and a batch for losses on views, and how often a step multiplies with the graph."""

from __future__ import annotations

import pytest
import torch

from recbench.backbones.building_blocks.graph import Graph
from recbench.batch import Batch, Towers
from recbench.data.toy import toy
from recbench.inspect.loss_trial import Trial
from recbench.training.model import Model

DATA = toy().narrow(["view"])


def model_of(loss: str, **words: object) -> tuple[Model, Batch]:
    """A model on `lightgcn` (3 layers) with these settings, at the start of its first epoch, and a batch of 16."""
    model = Trial(loss).model(DATA, "lightgcn", {key: str(value) for key, value in words.items()})
    torch.manual_seed(1)
    model.start_epoch(1)
    return model, next(model.loss.sampler.batches(DATA, 16, torch.Generator().manual_seed(0)))


def value(model: Model, batch: Batch) -> tuple[float, Towers]:
    """The loss of a batch, and the towers and views that it is of."""
    towers = model.loss.encode(model.backbone, batch)
    return float(model.loss(towers, batch).detach()), towers


def products_of_a_step(model: Model, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often a step multiplies with a graph."""
    count, forward = 0, Graph.forward

    def counted(graph: Graph, vectors: torch.Tensor) -> torch.Tensor:
        nonlocal count
        count += 1
        return forward(graph, vectors)

    monkeypatch.setattr(Graph, "forward", counted)
    model.loss.step(model.backbone, batch, model.optimizer)
    return count
