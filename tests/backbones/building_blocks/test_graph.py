"""Products with a sparse graph, and what graph backbones have in common."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.graph import Graph, compressed
from recbench.backbones.lightgcn import LightGCN
from recbench.backbones.mgccf import MGCCF
from recbench.data.toy import toy as make_toy
from recbench.evaluation.ranking import auc
from recbench.settings import defaults
from recbench.training.model import build
from recbench.training.schedule import Schedule
from recbench.training.scorer import Scorer
from tests.backbones.tiny_dataset import dataset

FORWARD_MODE = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own use of it


@FORWARD_MODE
@pytest.mark.parametrize("edges", [0, 1, 30])
def test_product_with_a_graph_in_value_and_both_modes_of_derivative(edges: int) -> None:
    generator = torch.Generator().manual_seed(edges)
    source, target = torch.randint(6, (2, edges), generator=generator)
    weight = torch.rand(edges, generator=generator)
    both = torch.cat([source, target]), torch.cat([target, source])
    matrix = compressed(*both, torch.cat([weight, weight]), 6)
    graph = deepcopy(Graph(matrix)).double()
    vectors = torch.randn(6, 3, generator=generator, dtype=torch.double, requires_grad=True)
    torch.testing.assert_close(graph(vectors), matrix.to_dense().double() @ vectors)
    assert torch.autograd.gradcheck(graph, vectors, check_forward_ad=True)


@pytest.mark.parametrize("name", ["mgccf", "lightgcn"])
def test_relabelling_users_and_items_relabels_the_vectors(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    user, item = torch.randint(20, (120,), generator=generator), torch.randint(15, (120,), generator=generator)
    new_user, new_item = torch.randperm(20, generator=generator), torch.randperm(15, generator=generator)
    kind = {"mgccf": MGCCF, "lightgcn": LightGCN}[name]
    before = kind(dataset(user, item, 20, 15), 1, False, dim=4, layers=2)
    after = kind(dataset(new_user[user], new_item[item], 20, 15), 1, False, dim=4, layers=2)
    after.load_state_dict(before.state_dict())
    with torch.no_grad():
        after.user_table[new_user] = before.user_table
        after.item_table[new_item] = before.item_table
    for found, expected, new in zip(after.tables(), before.tables(), (new_user, new_item), strict=True):
        torch.testing.assert_close(found[new], expected)


@pytest.mark.parametrize("backbone", ["mgccf", "lightgcn"])
def test_it_learns(backbone: str) -> None:
    data = make_toy(rows=3000).narrow(["view"])
    values = {f"backbone.{key}": value for key, value in defaults(BACKBONES.get(backbone)).items()}
    values |= {"backbone.dim": 8, "loss.negatives": 1, "loss.cosine": False}
    model = build(data, "bpr", backbone, values, seed=0, schedule=Schedule(lr=0.02))
    for epoch in range(8):
        for batch in model.loss.sampler.batches(data, 256, torch.Generator().manual_seed(epoch)):
            model.loss.step(model.backbone, batch, model.optimizer)
    score, _ = Scorer(model.backbone, model.loss).rows(data.valid)
    assert auc(score[:, 0], data.valid.label[:, 0]) > 0.75
