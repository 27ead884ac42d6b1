"""LightGCN: free vectors smoothed over the graph of training positives."""

from __future__ import annotations

import torch
from torch import Tensor

from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.graph import Graph, GraphBackbone, normalised_graph
from recbench.data.dataset import Dataset
from recbench.settings import Count, CountOrZero, NonNegative


@BACKBONES.add("lightgcn")
class LightGCN(GraphBackbone):
    """Mean of the free vectors and their propagations over the normalised user-item graph.

    He et al., SIGIR 2020, equations 3-8, https://arxiv.org/abs/2002.02126. The regulariser `l2` is on the free
    vectors (layer 0). With several towers, all propagate over the same graph of pairs with any feedback.
    """

    def __init__(
        self,
        data: Dataset,
        towers: int,
        cosine: bool,
        *,
        dim: Count = 64,
        layers: CountOrZero = 3,
        l2: NonNegative = 1e-4,
        std: float = 0.1,
    ) -> None:
        super().__init__(data, towers, cosine, dim=dim, l2=l2, std=std)
        self.layers = layers
        self.graph = Graph(normalised_graph(data))

    def propagate(self) -> Tensor:
        """Return the mean over the layers, [users + items, K * D]."""
        layer = torch.cat([self.user_table, self.item_table])
        total = layer
        for _ in range(self.layers):
            layer = self.graph(layer)
            total = total + layer
        return total / (self.layers + 1)
