"""Views of graph backbones against dense computations and values by hand."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor

from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.graph import Graph, GraphBackbone, normalised_graph
from recbench.backbones.building_blocks.views import Dropped, Noise, Propagation, leave_out_free_vectors
from recbench.backbones.lightgcn import LightGCN
from recbench.batch import Batch, Encoding
from recbench.data.dataset import Dataset
from recbench.errors import UsageError

BATCH = Batch(torch.tensor([3, 1]), torch.tensor([[5, 2], [0, 7]]), torch.ones(2, 2, 1))


def lightgcn(data: Dataset, towers: int = 1, layers: int = 2) -> LightGCN:
    torch.manual_seed(0)
    return LightGCN(data, towers, False, dim=4, layers=layers)


def dense(graph: Graph) -> Tensor:
    """The matrix that a graph multiplies with."""
    product: Tensor = graph(torch.eye(graph.nodes))
    return product


def normalised(edges: Tensor) -> Tensor:
    """D^-1/2 A D^-1/2 of a dense matrix of zeros and ones."""
    degree = edges.sum(1).clamp(min=1)
    return edges / (degree[:, None] * degree).sqrt()


def test_noise_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """(3, -4, 0) and a uniform (0.6, 0.8, 0) with length 0.1: the noise has the signs of the vector."""
    monkeypatch.setattr(torch, "rand_like", lambda like: torch.tensor([[[0.6, 0.8, 0.0]]]))
    graph = Graph(torch.eye(1).to_sparse_csr())
    found = Noise(0.1).layer(graph, torch.tensor([[[3.0, -4.0, 0.0]]]), 1)
    torch.testing.assert_close(found, torch.tensor([[[3.06, -4.08, 0.0]]]))


def test_noise_is_on_every_layer_and_has_its_length_in_each_tower(toy: Dataset) -> None:
    backbone = lightgcn(toy, towers=2)
    encoding = backbone.encode_views(BATCH, [Noise(0.3)]).views[0]
    graph = normalised_graph(toy).to_dense()
    assert torch.equal(encoding.layers[0], backbone.free_vectors)
    for before, after in zip(encoding.layers, encoding.layers[1:], strict=False):
        smooth = torch.einsum("nm,mkd->nkd", graph, before)
        noise = after - smooth
        torch.testing.assert_close(noise.norm(dim=-1), torch.full(noise.shape[:2], 0.3))
        assert bool((noise * smooth >= 0).all())
    torch.testing.assert_close(encoding.vectors, torch.stack(encoding.layers).mean(0))


def test_the_towers_are_of_the_first_view(toy: Dataset) -> None:
    backbone = lightgcn(toy)
    towers = backbone.encode_views(BATCH, [Noise(0.3), Propagation()])
    noisy, plain = towers.views
    assert torch.equal(towers.user, noisy.user[BATCH.user]) and torch.equal(towers.item, noisy.item[BATCH.item])
    assert not torch.allclose(noisy.vectors, plain.vectors)
    usual = backbone.encode(BATCH)
    assert torch.equal(usual.user, plain.user[BATCH.user])
    torch.testing.assert_close(towers.regulariser(BATCH), usual.regulariser(BATCH))


def test_without_noise_and_dropping_nothing_is_the_plain_propagation(toy: Dataset) -> None:
    for name in ("lightgcn", "mgccf"):
        torch.manual_seed(0)
        backbone = BACKBONES.get(name)(toy, 2, False, dim=4)  # type: ignore[call-arg]
        views = [Propagation(), Noise(0.0), *(Dropped(0.0, kind) for kind in ("edges", "nodes", "walk"))]
        for view in views:
            view.start_epoch(backbone)
        plain, *others = backbone.encode_views(BATCH, views).views
        assert torch.equal(plain.vectors, torch.cat(backbone.tables()))
        for other in others:
            torch.testing.assert_close(other.vectors, plain.vectors)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_dropped_edges(toy: Dataset, share: float) -> None:
    backbone, view = lightgcn(toy), Dropped(share, "edges")
    view.start_epoch(backbone)
    (graph,) = view.graphs
    assert isinstance(graph, Graph)
    found, whole = dense(graph), normalised_graph(toy).to_dense() > 0
    left = (found > 0).float()
    edges = len(toy.positives.item)
    assert int(left.sum()) == 2 * int((1 - share) * edges)
    assert torch.equal(left, left.T) and bool((left <= whole).all())
    torch.testing.assert_close(found, normalised(left))


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_dropped_nodes(toy: Dataset, share: float) -> None:
    backbone, view = lightgcn(toy), Dropped(share, "nodes")
    view.start_epoch(backbone)
    (graph,) = view.graphs
    assert isinstance(graph, Graph)
    whole = (normalised_graph(toy).to_dense() > 0).float()
    left = (dense(graph) > 0).float()
    alone = left.sum(1) == 0
    users = len(toy.users)
    assert int(alone[:users].sum()) == int(share * users)
    assert int(alone[users:].sum()) == int(share * len(toy.items))
    expected = whole * ~alone[:, None] * ~alone
    assert torch.equal(left, expected)
    torch.testing.assert_close(dense(graph), normalised(expected))


def test_a_walk_has_another_graph_on_each_layer(toy: Dataset) -> None:
    backbone, view = lightgcn(toy, layers=3), Dropped(0.3, "walk")
    view.start_epoch(backbone)
    graphs = [dense(graph) for graph in view.graphs if isinstance(graph, Graph)]
    assert len(graphs) == 3 and not torch.equal(graphs[0], graphs[1])
    layers = backbone.encode_views(BATCH, [view]).views[0].layers
    for graph, before, after in zip(graphs, layers, layers[1:], strict=False):
        torch.testing.assert_close(after[:, 0], graph @ before[:, 0])


def test_a_mean_over_neighbours_is_of_those_that_are_left(toy: Dataset) -> None:
    backbone = BACKBONES.get("mgccf")(toy, 1, False, dim=4)  # type: ignore[call-arg]
    assert isinstance(backbone, GraphBackbone)
    view = Dropped(0.6, "edges")
    view.start_epoch(backbone)
    (graph,) = view.graphs
    assert isinstance(graph, Graph)
    total = dense(graph).sum(1)
    torch.testing.assert_close(total, (total > 0).float())


@pytest.mark.parametrize("kind", ["edges", "nodes", "walk"])
def test_graphs_last_for_an_epoch(toy: Dataset, kind: Literal["edges", "nodes", "walk"]) -> None:
    backbone, view = lightgcn(toy), Dropped(0.3, kind)

    def encoded() -> Tensor:
        encoding: Encoding = backbone.encode_views(BATCH, [view]).views[0]
        return encoding.vectors

    assert torch.equal(encoded(), torch.cat(backbone.tables()))
    view.start_epoch(backbone)
    first = encoded()
    assert torch.equal(encoded(), first) and not torch.equal(first, torch.cat(backbone.tables()))
    view.start_epoch(backbone)
    assert not torch.equal(encoded(), first)


def test_free_vectors_left_out_of_the_mean(toy: Dataset) -> None:
    backbone = lightgcn(toy)
    leave_out_free_vectors(backbone)
    encoding = backbone.propagate()
    torch.testing.assert_close(encoding.vectors, torch.stack(encoding.layers[1:]).mean(0))
    torch.testing.assert_close(torch.cat(backbone.tables()), encoding.vectors)
    alone = lightgcn(toy, layers=0)
    leave_out_free_vectors(alone)
    assert torch.equal(alone.propagate().vectors, alone.free_vectors)


def test_a_backbone_without_views_says_so(toy: Dataset) -> None:
    backbone = BACKBONES.get("mf")(toy, 1, False)
    with pytest.raises(UsageError, match="backbone `mf`: has no `encode_views`"):
        backbone.encode_views(BATCH, [Propagation()])
