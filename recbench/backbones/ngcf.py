"""Neural graph collaborative filtering."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.graph import (
    Graph,
    GraphBackbone,
    Step,
    bipartite_edges,
    compressed,
    normalised_graph,
    plain_step,
)
from recbench.batch import Encoding
from recbench.data.dataset import Dataset
from recbench.settings import Count, NonNegative, Positive, Share


@BACKBONES.add("ngcf")
class NGCF(GraphBackbone):
    """Free vectors and what layers of messages and their products make of them over the user-item graph, side by side.

    Wang et al., SIGIR 2019, https://arxiv.org/abs/1905.08108: e' = LeakyReLU(W1 (m + e) + W2 (m * e)),
    of slope 0.2, where m is the sum of the neighbours' e, each divided by sqrt(d d') of the degrees. `dropout` is of
    the e' (message dropout); they are put side by side at unit length, after e at its own, so that the vectors have
    `dim` * (`layers` + 1) numbers. In the authors' code (`messages=released`) m is the mean of an entity and its
    neighbours and takes the place of m + e too, and each of the two terms has a LeakyReLU of its own. Its biases, one
    in each term, are in both forms. `l2` is on the free vectors, as in LightGCN; the paper's is on all parameters
    (`l2_of=rows+weights`), that of the authors' code on the final vectors (`l2_of=vectors`). Each tower has vectors and
    weights of its own.
    """

    def __init__(
        self,
        data: Dataset,
        towers: int,
        cosine: bool,
        *,
        dim: Count = 64,
        layers: Count = 3,
        dropout: Share = 0.1,
        messages: Literal["paper", "released"] = "paper",
        l2: NonNegative = 1e-5,
        std: Positive = 0.1,
    ) -> None:
        super().__init__(data, towers, cosine, dim=dim, l2=l2, std=std)
        self.dropout, self.messages = dropout, messages
        self.layers = layers
        self.graph = Graph(normalised_graph(data)) if messages == "paper" else with_loops(data)
        self.sums = nn.ModuleList(_Linear(towers, dim) for _ in range(layers))
        self.products = nn.ModuleList(_Linear(towers, dim) for _ in range(layers))
        self.to(self.user_table.device)

    def propagate(self, step: Step = plain_step) -> Encoding:
        """Return the layers side by side, [users + items, K, dim * (layers + 1)], and each; `step` makes m."""
        layer = self.free_vectors
        parts = [layer]
        for number, (of_sum, of_product) in enumerate(zip(self.sums, self.products, strict=True), 1):
            message = step(self.graph, layer, number)
            product = of_product(message * layer)
            if self.messages == "paper":
                made = F.leaky_relu(of_sum(message + layer) + product, 0.2)
            else:
                made = F.leaky_relu(of_sum(message), 0.2) + F.leaky_relu(product, 0.2)
            layer = F.dropout(made, self.dropout, self.training)
            parts.append(F.normalize(layer, dim=-1))
        return Encoding(torch.cat(parts, -1), self.users, tuple(parts))


def with_loops(data: Dataset) -> Graph:
    """Return the mean over each user's or item's neighbours and itself."""
    source, target = bipartite_edges(data)
    count = len(data.users) + len(data.items)
    loops = torch.arange(count, device=source.device)
    source, target = torch.cat([source, loops]), torch.cat([target, loops])
    return Graph(compressed(source, target, torch.ones_like(source, dtype=torch.float), count), mean=True)


class _Linear(nn.Module):
    """One linear layer for each tower, of vectors [n, K, dim]."""

    def __init__(self, towers: int, dim: int) -> None:
        super().__init__()
        bound = math.sqrt(6 / (2 * dim))  # Glorot's
        self.weight = nn.Parameter(torch.empty(towers, dim, dim).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(towers, dim))

    def forward(self, vectors: Tensor) -> Tensor:
        return torch.einsum("nki,kio->nko", vectors, self.weight) + self.bias
