"""LightGCN: free vectors smoothed over the graph of training positives."""

from __future__ import annotations

from typing import ClassVar

from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.graph import Graph, GraphBackbone, Step, normalised_graph, plain_step
from recbench.batch import Encoding
from recbench.data.dataset import Dataset
from recbench.settings import Count, CountOrZero, NonNegative, Positive


@BACKBONES.add("lightgcn")
class LightGCN(GraphBackbone):
    """Mean of the free vectors and their propagations over the normalised user-item graph.

    He et al., SIGIR 2020, https://arxiv.org/abs/2002.02126. The regulariser `l2` is on the free
    vectors (layer 0). With several towers, all propagate over the same graph of pairs with any feedback.
    """

    offers: ClassVar[frozenset[str]] = GraphBackbone.offers | {"layers"}

    def __init__(
        self,
        data: Dataset,
        towers: int,
        cosine: bool,
        *,
        dim: Count = 64,
        layers: CountOrZero = 3,
        l2: NonNegative = 1e-4,
        std: Positive = 0.1,
    ) -> None:
        super().__init__(data, towers, cosine, dim=dim, l2=l2, std=std)
        self.layers = layers
        self.graph = Graph(normalised_graph(data))

    def propagate(self, step: Step = plain_step) -> Encoding:
        """Return the mean over the layers, and each of them."""
        layers = [self.free_vectors]
        for number in range(1, self.layers + 1):
            layers.append(step(self.graph, layers[-1], number))
        averaged = layers[min(self.first_layer, self.layers) :]
        total = averaged[0]
        for layer in averaged[1:]:
            total = total + layer
        return Encoding(total / len(averaged), self.users, tuple(layers))
