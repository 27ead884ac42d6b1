"""Two towers over the features of users and items."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.features import Features
from recbench.backbones.building_blocks.perceptron import layer_widths, perceptron
from recbench.backbones.building_blocks.two_sides import TwoSidedBackbone
from recbench.data.dataset import Dataset, Table
from recbench.settings import Count


@BACKBONES.add("twintower")
class TwinTower(TwoSidedBackbone):
    """A multi-layer perceptron per tower over concatenated feature embeddings.

    Huang et al., CIKM 2013 (DSSM), https://doi.org/10.1145/2505515.2505665; sizes of GNOLR (KDD 2025), appendix A.2,
    https://arxiv.org/abs/2505.20900: embeddings of 16, layers 128-64-32, LeakyReLU, the embedding table shared by all
    towers of a side. `senet` puts a squeeze-and-excitation gate before
    the perceptrons (see `field_gate`), an option of GNOLR's code that is off in the paper.
    """

    def __init__(
        self,
        data: Dataset,
        towers: int,
        cosine: bool,
        *,
        dim: Count = 32,
        embedding: Count = 16,
        hidden: str = "128-64",
        senet: bool = False,
    ) -> None:
        super().__init__(data, towers, cosine)
        widths = [*layer_widths(hidden), dim]
        self.user_side = _Side(data.users, towers, embedding, widths, senet)
        self.item_side = _Side(data.items, towers, embedding, widths, senet)


class _Side(nn.Module):
    def __init__(self, table: Table, towers: int, embedding: int, widths: list[int], senet: bool) -> None:
        super().__init__()
        self.features = Features(table, embedding, senet)
        self.towers = nn.ModuleList(perceptron([self.features.output, *widths]) for _ in range(towers))
        self.to(table.value.device)

    def forward(self, row: Tensor, kept: Tensor | None = None) -> Tensor:
        features = self.features(row, kept)
        return torch.stack([tower(features) for tower in self.towers], 1)  # [n, K, D]
