"""Backbones against values worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recbench.backbones.base import Backbone
from recbench.backbones.building_blocks.features import Features
from recbench.backbones.lightgcn import LightGCN, normalised_graph
from recbench.backbones.mf import MF
from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Log, Table
from recbench.data.manifest import Column


def two_by_two() -> Dataset:
    """Users 0, 1 and items 0, 1 with the pairs (0, 0), (0, 1), (1, 1)."""
    table = Table((Column("id", "categorical", 3, 1),), torch.tensor([[1], [2]], dtype=torch.int32), seen=2)
    log = Log(
        torch.tensor([0, 0, 1, 1], dtype=torch.int32),
        torch.tensor([0, 1, 1, 0], dtype=torch.int32),
        torch.tensor([[1], [1], [1], [0]], dtype=torch.uint8),
    )
    return Dataset("tiny", "global", "0", None, ("like",), table, table, log, log)  # type: ignore[arg-type]


def test_lightgcn_mean_of_layers() -> None:
    backbone = LightGCN(two_by_two(), 1, False, dim=1, layers=2)
    with torch.no_grad():
        backbone.user_table.copy_(torch.tensor([[1.0], [2.0]]))
        backbone.item_table.copy_(torch.tensor([[3.0], [4.0]]))
    expected = torch.tensor([2.192809041582063, 2.060660171779821, 2.2071067811865475, 3.324957911384305])
    torch.testing.assert_close(backbone.propagate()[:, 0].detach(), expected)


def test_lightgcn_propagation_equals_the_dense_one_with_its_gradient(toy: Dataset) -> None:
    backbone = LightGCN(toy, 2, False, dim=4, layers=3)
    graph = normalised_graph(toy).to_dense()
    layer = torch.cat([backbone.user_table, backbone.item_table])
    layers = [layer]
    for _ in range(3):
        layers.append(graph @ layers[-1])
    dense = torch.stack(layers).mean(0)
    torch.testing.assert_close(backbone.propagate(), dense)
    weight = torch.randn(dense.shape, generator=torch.Generator().manual_seed(0))
    expected = torch.autograd.grad((dense * weight).sum(), backbone.item_table)[0]
    gradient = torch.autograd.grad((backbone.propagate() * weight).sum(), backbone.item_table)[0]
    torch.testing.assert_close(gradient, expected)


def test_lightgcn_without_layers_is_mf(toy: Dataset) -> None:
    torch.manual_seed(0)
    graph = LightGCN(toy, 1, False, dim=4, layers=0).tables()
    torch.manual_seed(0)
    free = MF(toy, 1, False, dim=4).tables()
    torch.testing.assert_close(graph, free)


def test_entities_unseen_in_training_have_the_zero_vector(toy: Dataset) -> None:
    data = replace(toy, items=replace(toy.items, seen=35))
    _, items = MF(data, 1, False, dim=4).tables()
    assert (items[35:] == 0).all()
    assert (items[:35] != 0).any(-1).all()


def test_bags_are_averaged_over_their_members() -> None:
    columns = (Column("id", "categorical", 3, 1), Column("tags", "bag", 4, 3))
    table = Table(columns, torch.tensor([[1, 2, 3, 0], [2, 0, 0, 0]], dtype=torch.int32), seen=2)
    features = Features(table, embedding=2)
    of_tag = features.table[3:].detach()  # after the three ids of `id`
    out = features(torch.tensor([0, 1])).detach()
    torch.testing.assert_close(out[0, 2:], (of_tag[2] + of_tag[3]) / 2)
    assert (out[1, 2:] == 0).all()


def test_l2_is_half_the_squared_norm_of_the_batch_per_user(toy: Dataset) -> None:
    backbone = MF(toy, 1, False, dim=2, l2=1e-4)
    with torch.no_grad():
        backbone.user_table[0] = torch.tensor([1.0, 2.0])
        backbone.item_table[0] = torch.tensor([0.5, -1.0])
        backbone.item_table[1] = torch.tensor([0.0, 3.0])
        backbone.item_table[2] = torch.tensor([100.0, 100.0])
    user, item = torch.tensor([0]), torch.tensor([[0, 1, 2]])
    batch = Batch(user, item, torch.zeros(1, 3, 1), torch.tensor([[True, True, False]]))
    regulariser = torch.as_tensor(backbone(user, item).regulariser(batch))
    assert regulariser.item() == pytest.approx(0.0007625)


class Distance(Backbone):
    """A backbone whose score is no inner product."""

    decomposable = False

    def __init__(self, data: Dataset, towers: int, cosine: bool) -> None:
        super().__init__(data, towers, cosine)
        self.number = torch.nn.Parameter(torch.ones(self.users))

    def embed(self, user: torch.Tensor, item: torch.Tensor) -> Towers:
        vectors = torch.ones(*item.shape, self.towers, 1)
        return Towers(vectors[:, 0], vectors, pair=self.number[user, None, None].expand(*item.shape, self.towers) * 7)


def test_pair_scores_survive_cosines(toy: Dataset) -> None:
    logit = Distance(toy, 1, True)(torch.tensor([0]), torch.tensor([[1, 2]])).logit
    assert (logit == 7).all()
    assert logit.requires_grad
