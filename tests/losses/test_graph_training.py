"""Updates of graph contrastive losses against a training step of its own, dense, as SELFRec's authors wrote it.

https://github.com/Coder-Yu/SELFRec, model/graph: what is compared is all that decides an update, from the layers that
count to the penalty and Adam. The 1e-5 in SELFRec's log of the sigmoid is left out.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbench.backbones.building_blocks.graph import Graph
from recbench.backbones.building_blocks.views import Dropped
from recbench.data.toy import toy
from recbench.losses import base
from recbench.training.model import Model, build
from recbench.training.schedule import Schedule

DATA = toy().narrow(["view"])
USERS, ITEMS = len(DATA.users), len(DATA.items)
LAYERS, STEPS, RATE, L2 = 3, 5, 0.05, 0.02
PENALTY = {"l2": L2, "l2_of": "vectors", "l2_form": "norms"}


def model_of(loss: str, words: dict[str, str], slots: str) -> Model:
    values = {f"loss.{key}": value for key, value in base.resolve(base.LOSSES.get(loss), words).items()}
    values |= {f"backbone.{key}": value for key, value in {**PENALTY, "l2_slots": slots}.items()}
    values |= {"backbone.dim": 8, "backbone.layers": LAYERS, "backbone.std": 0.1}
    model = build(DATA, loss, "lightgcn", values, seed=1, schedule=Schedule(lr=RATE))
    torch.manual_seed(2)
    model.start_epoch(1)
    return model


def dense_graph(graph: Graph | None = None) -> Tensor:
    """D^-1/2 A D^-1/2, of the edges that a graph has left, or of all of them."""
    edges = torch.zeros(USERS + ITEMS, USERS + ITEMS)
    edges[DATA.positives.user, DATA.positives.item + USERS] = 1
    edges = edges + edges.T
    if graph is not None:
        edges = edges * (graph(torch.eye(graph.nodes)) > 0)
    degree = edges.sum(1).clamp(min=1)
    return edges / (degree[:, None] * degree[None]).sqrt()


def layers_of(free: Tensor, graph: Tensor, noise: float = 0.0) -> list[Tensor]:
    layers = [free]
    for _ in range(LAYERS):
        after = graph @ layers[-1]
        if noise:
            after = after + torch.sign(after) * F.normalize(torch.rand_like(after), dim=-1) * noise
        layers.append(after)
    return layers


def mean(layers: list[Tensor]) -> tuple[Tensor, Tensor]:
    user, item = torch.stack(layers, 1).mean(1).split([USERS, ITEMS])
    return user, item


def info_nce(one: Tensor, other: Tensor, temperature: float) -> Tensor:
    similar = F.normalize(one, dim=1) @ F.normalize(other, dim=1).T / temperature
    return -torch.diag(F.log_softmax(similar, dim=1)).mean()


def contrast(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], user: Tensor, item: Tensor) -> Tensor:
    users, items = torch.unique(user), torch.unique(item)
    return info_nce(one[0][users], other[0][users], 0.2) + info_nce(one[1][items], other[1][items], 0.2)


def ranked_and_contrasted(
    loss: str, free: Tensor, graphs: list[Tensor]
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """What is ranked by, and the two encodings that are contrasted."""
    if loss == "xsimgcl":
        layers = layers_of(free, graphs[0], 0.3)
        first = layers[1].split([USERS, ITEMS])
        return mean(layers[1:]), mean(layers[1:]), (first[0], first[1])
    if loss == "simgcl":
        plain = mean(layers_of(free, graphs[0])[1:])
        return plain, mean(layers_of(free, graphs[0], 0.3)[1:]), mean(layers_of(free, graphs[0], 0.3)[1:])
    plain, one, other = (mean(layers_of(free, graph)) for graph in graphs)
    return plain, one, other


@pytest.mark.parametrize("loss", ["simgcl", "xsimgcl", "sgl"])
def test_updates_are_those_of_the_authors_code(loss: str) -> None:
    own = {"against": "batch", "drop": "0.3"} if loss == "sgl" else {"noise": "0.3"}
    slots = "all" if loss == "sgl" else "first"  # SELFRec's SGL penalises the negatives too
    model = model_of(loss, {"weight": "0.5", "temperature": "0.2", **own}, slots)
    start = model.backbone.free_vectors[:, 0].detach().clone()
    free = [torch.nn.Parameter(part.clone()) for part in start.split([USERS, ITEMS])]
    optimizer = torch.optim.Adam(free, lr=RATE)
    thinned = [view.graphs[0] for view in model.loss.views if isinstance(view, Dropped)]
    graphs = [dense_graph(), *(dense_graph(graph) for graph in thinned if isinstance(graph, Graph))]
    for number, batch in enumerate(model.loss.sampler.batches(DATA, 64, torch.Generator().manual_seed(3))):
        if number == STEPS:
            break
        torch.manual_seed(number)
        model.loss.step(model.backbone, batch, model.optimizer)

        torch.manual_seed(number)
        user, (positive, negative) = batch.user, batch.item.unbind(1)
        (u, v), one, other = ranked_and_contrasted(loss, torch.cat(free), graphs)
        gap = (u[user] * v[positive]).sum(1) - (u[user] * v[negative]).sum(1)
        rows = [u[user], v[positive]] + ([v[negative]] if loss == "sgl" else [])
        penalty = L2 * sum(row.norm() / len(row) for row in rows)
        value = -F.logsigmoid(gap).mean() + penalty + 0.5 * contrast(one, other, user, positive)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    found = model.backbone.free_vectors[:, 0].detach()
    assert not torch.allclose(found, start, atol=0.05)
    torch.testing.assert_close(found, torch.cat(free).detach(), atol=2e-4, rtol=0)
