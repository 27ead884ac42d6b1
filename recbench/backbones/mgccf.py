"""Multi-graph convolution collaborative filtering: the bipartite graph, and graphs of similar users and items."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.graph import (
    Graph,
    GraphBackbone,
    Step,
    bipartite_edges,
    compressed,
    plain_step,
)
from recbench.batch import Encoding
from recbench.data.co_occurrence import common_members, incidence
from recbench.data.dataset import Dataset, Positives
from recbench.settings import Count, NonNegative, Positive

BLOCK = 1 << 24  # most similarities that are computed together


@BACKBONES.add("mgccf")
class MGCCF(GraphBackbone):
    """Sum of convolutions over the user-item graph and over graphs of similar users and items, and a skip connection.

    Sun et al., ICDM 2019, https://arxiv.org/abs/2001.00267. With free vectors e, and weights W, M and S that users
    and items each have of their own: h = tanh(W [h; mean of the neighbours' h]) for each of the `layers`, from e on;
    z = tanh(M sum of the similar entities' e); s = tanh(S e); the vector is h + z + s. Similar are those whose sets
    of training positives have a cosine above a threshold, which is set so that they have `neighbours` on average, or
    as nearly as ties allow.

    Differences: the paper samples neighbours, here all count; it transforms the neighbours once more before
    their mean is taken, which later code of its first author does not; the second penalty, on the final vectors, is
    left out. `l2` is on the free vectors, as in LightGCN. Each tower has vectors and weights of its own. Finding
    the similar entities takes time in proportion to the sum of the squared degrees.
    """

    def __init__(
        self,
        data: Dataset,
        towers: int,
        cosine: bool,
        *,
        dim: Count = 64,
        layers: Count = 1,
        neighbours: Count = 10,
        l2: NonNegative = 1e-4,
        std: Positive = 0.1,
    ) -> None:
        super().__init__(data, towers, cosine, dim=dim, l2=l2, std=std)
        self.of_users = _Side(towers, dim, layers)
        self.of_items = _Side(towers, dim, layers)
        source, target = bipartite_edges(data)
        count = self.users + self.items
        self.layers = layers
        self.graph = Graph(compressed(source, target, torch.ones_like(source, dtype=torch.float), count), mean=True)
        self.similar = Graph(similarity_graph(data, neighbours))
        self.to(source.device)

    def propagate(self, step: Step = plain_step) -> Encoding:
        """Return the fused vectors; `step` makes the mean over the neighbours."""
        free = self.free_vectors
        layers = [free]
        convolutions = zip(self.of_users.convolutions, self.of_items.convolutions, strict=True)
        for number, (user_layer, item_layer) in enumerate(convolutions, 1):
            mean = step(self.graph, layers[-1], number)
            layers.append(self._dense(user_layer, item_layer, layers[-1], mean))
        similar = self._dense(self.of_users.similar, self.of_items.similar, self.similar.smooth(free))
        fused = layers[-1] + similar + self._dense(self.of_users.skip, self.of_items.skip, free)
        return Encoding(fused, self.users, tuple(layers))

    def _dense(self, user_layer: nn.Module, item_layer: nn.Module, *parts: Tensor) -> Tensor:
        user, item = torch.cat(parts, -1).split([self.users, self.items])
        return torch.cat([user_layer(user), item_layer(item)])


class _Side(nn.Module):
    """The weights of the users, or of the items."""

    def __init__(self, towers: int, dim: int, layers: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(_Dense(towers, 2 * dim, dim) for _ in range(layers))
        self.similar = _Dense(towers, dim, dim)
        self.skip = _Dense(towers, dim, dim)


class _Dense(nn.Module):
    """One layer without bias for each tower: [n, K, inputs] to [n, K, outputs]."""

    def __init__(self, towers: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = math.sqrt(6 / (inputs + outputs))  # Glorot's
        self.weight = nn.Parameter(torch.empty(towers, inputs, outputs).uniform_(-bound, bound))

    def forward(self, vectors: Tensor) -> Tensor:
        return torch.einsum("nki,kio->nko", vectors, self.weight).tanh()


def similarity_graph(data: Dataset, neighbours: int) -> Tensor:
    """Return the graphs of similar users and of similar items side by side, sparse CSR [users + items] squared."""
    users, items = len(data.users), len(data.items)
    by_user = data.positives
    by_item = Positives.from_pairs(by_user.item, by_user.user, items, users)
    pairs = torch.cat([similar_pairs(by_user, items, neighbours), similar_pairs(by_item, users, neighbours) + users], 1)
    source, target = torch.cat([pairs, pairs.flip(0)], 1)
    return compressed(source, target, torch.ones_like(source, dtype=torch.float), users + items)


def similar_pairs(sets: Positives, size: int, neighbours: int, block: int = BLOCK) -> Tensor:
    """Return the pairs [2, P], each once, of those sets of numbers below `size` whose cosine is above a threshold.

    The threshold is such that the sets that are not empty have `neighbours` on average, or as nearly as ties allow.
    """
    entities = len(sets.start) - 1
    degree = sets.start.diff().double()
    budget = max(1, round(int(degree.count_nonzero()) * neighbours / 2))
    pairs, similarity = sets.user.new_empty(2, 0), degree.new_empty(0)
    lowest = 0.0
    width = max(1, block // max(1, entities))
    for first in range(0, entities, width):
        last = min(first + width, entities)
        # All from `first` on against this block: a pair is met once, in the block of the smaller.
        rest, these = incidence(sets, size, range(first, entities)), incidence(sets, size, range(first, last))
        (larger, smaller), count = common_members(rest, these.T)
        larger, smaller = larger + first, smaller + first
        squared = count.double().square() / (degree[larger] * degree[smaller])
        close = ((larger > smaller) & (squared >= lowest)).nonzero()[:, 0]
        pairs = torch.cat([pairs, torch.stack([smaller[close], larger[close]])], 1)
        similarity = torch.cat([similarity, squared[close]])
        if len(similarity) > budget:
            lowest = threshold(similarity, budget)
            closest = (similarity >= lowest).nonzero()[:, 0]
            pairs, similarity = pairs[:, closest], similarity[closest]
    return pairs


def threshold(value: Tensor, budget: int) -> float:
    """Return the bound at or above which about `budget` of more values [P] lie; equal values go together."""
    bound = float(value.kthvalue(len(value) - budget + 1).values)
    too_many, missing = int((value >= bound).sum()) - budget, budget - int((value > bound).sum())
    return bound if too_many <= missing else math.nextafter(bound, math.inf)
