"""LightGCN against dense computations and values by hand."""

from __future__ import annotations

from math import sqrt

import torch

from recbench.backbones.building_blocks.graph import normalised_graph
from recbench.backbones.lightgcn import LightGCN
from recbench.backbones.mf import MF
from recbench.data.dataset import Dataset, Log, Table
from recbench.data.manifest import Column
from tests.backbones.tiny_dataset import dataset


def test_lightgcn_published_form_on_four_nodes() -> None:
    data = dataset(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2, 2)
    half = sqrt(1 / 2)
    expected = [[0.0, 0.0, half, 0.5], [0.0, 0.0, 0.0, half], [half, 0.0, 0.0, 0.0], [0.5, half, 0.0, 0.0]]
    torch.testing.assert_close(normalised_graph(data).to_dense(), torch.tensor(expected))
    backbone = LightGCN(data, 1, False, dim=1, layers=2)
    with torch.no_grad():
        backbone.user_table.copy_(torch.tensor([[1.0], [2.0]]))
        backbone.item_table.copy_(torch.tensor([[3.0], [4.0]]))
    logit = backbone(torch.tensor([0, 1]), torch.tensor([[0, 1]])).logit[..., 0].detach()
    once = [half * 3 + 4 / 2, half * 4, half * 1, 1 / 2 + half * 2]
    twice = [half * once[2] + once[3] / 2, half * once[3], half * once[0], once[0] / 2 + half * once[1]]
    user_0, user_1, item_0, item_1 = torch.tensor([[1.0, 2.0, 3.0, 4.0], once, twice]).mean(0).tolist()
    scores = [[user_0 * item_0, user_0 * item_1], [user_1 * item_0, user_1 * item_1]]
    torch.testing.assert_close(logit, torch.tensor(scores))


def test_a_node_without_edges_keeps_its_share_of_layer_0() -> None:
    data = dataset(torch.tensor([0, 0]), torch.tensor([0, 1]), 2, 3)
    backbone = LightGCN(data, 1, False, dim=2, layers=3)
    users, items = backbone.tables()
    torch.testing.assert_close(users[1, 0], backbone.user_table[1].detach() / 4)
    torch.testing.assert_close(items[2, 0], backbone.item_table[2].detach() / 4)


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
    a, b = sqrt(1 / 2), 1 / 2  # weights of the edges with one end of degree 1, and of the other
    free = [1.0, 2.0, 3.0, 4.0]
    once = [a * 3 + b * 4, a * 4, a * 1, b * 1 + a * 2]
    twice = [a * once[2] + b * once[3], a * once[3], a * once[0], b * once[0] + a * once[1]]
    expected = torch.tensor([free, once, twice]).mean(0)
    torch.testing.assert_close(backbone.propagate().vectors[:, 0, 0].detach(), expected)


def test_lightgcn_propagation_equals_the_dense_one_with_its_gradient(toy: Dataset) -> None:
    backbone = LightGCN(toy, 2, False, dim=4, layers=3)
    graph = normalised_graph(toy).to_dense()
    layer = torch.cat([backbone.user_table, backbone.item_table])
    layers = [layer]
    for _ in range(3):
        layers.append(graph @ layers[-1])
    dense = torch.stack(layers).mean(0)
    torch.testing.assert_close(backbone.propagate().vectors.flatten(1), dense)
    weight = torch.randn(dense.shape, generator=torch.Generator().manual_seed(0))
    expected = torch.autograd.grad((dense * weight).sum(), backbone.item_table)[0]
    gradient = torch.autograd.grad((backbone.propagate().vectors.flatten(1) * weight).sum(), backbone.item_table)[0]
    torch.testing.assert_close(gradient, expected)


def test_lightgcn_without_layers_is_mf(toy: Dataset) -> None:
    torch.manual_seed(0)
    graph = LightGCN(toy, 1, False, dim=4, layers=0).tables()
    torch.manual_seed(0)
    free = MF(toy, 1, False, dim=4).tables()
    torch.testing.assert_close(graph, free)
