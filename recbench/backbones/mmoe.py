"""Multi-gate mixture of experts on each side."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.features import Features
from recbench.backbones.building_blocks.perceptron import layer_widths, perceptron
from recbench.backbones.building_blocks.two_sides import TwoSidedBackbone
from recbench.data.dataset import Dataset, Table
from recbench.settings import Count

Init = Literal["normal", "linear"]


@BACKBONES.add("mmoe")
class MMoE(TwoSidedBackbone):
    """Experts that all towers of a side share, and for each tower its own mixture of them and its own perceptron.

    Ma et al., KDD 2018, https://doi.org/10.1145/3219819.3220007: tower k is h_k(sum_i g_k(x)_i f_i(x))
    with g_k(x) = softmax(W_k x). Users and items have experts of their own, as in GNOLR (KDD 2025, Table 15), whose
    code has 8 experts of one LeakyReLU layer of 512 and perceptrons of 128-64-32. There the weights of experts and
    gates start at N(0, 1) and the experts' biases at U(0, 1) (`init=normal`), which makes the gates nearly one-hot at
    first; `init=linear` starts them as every other layer.
    """

    entities_at_once = 4096  # of wide experts

    def __init__(
        self,
        data: Dataset,
        towers: int,
        cosine: bool,
        *,
        dim: Count = 32,
        embedding: Count = 16,
        experts: Count = 8,
        width: Count = 512,
        hidden: str = "128-64",
        init: Init = "normal",
        senet: bool = False,
    ) -> None:
        super().__init__(data, towers, cosine)
        widths = [width, *layer_widths(hidden), dim]
        self.user_side = _Side(data.users, towers, experts, widths, Features(data.users, embedding, senet), init)
        self.item_side = _Side(data.items, towers, experts, widths, Features(data.items, embedding, senet), init)


class _Side(nn.Module):
    def __init__(
        self, table: Table, towers: int, experts: int, widths: list[int], features: Features, init: Init
    ) -> None:
        super().__init__()
        self.features = features
        self.shape = (experts, widths[0])
        self.experts = nn.Linear(features.output, experts * widths[0])
        self.gates = nn.Linear(features.output, towers * experts, bias=False)
        self.towers = nn.ModuleList(perceptron(widths) for _ in range(towers))
        if init == "normal":
            nn.init.normal_(self.experts.weight)
            nn.init.uniform_(self.experts.bias)
            nn.init.normal_(self.gates.weight)
        self.to(table.value.device)

    def forward(self, row: Tensor, kept: Tensor | None = None) -> Tensor:
        features = self.features(row, kept)
        expert = F.leaky_relu(self.experts(features)).unflatten(1, self.shape)
        mixture = self.gate(features) @ expert  # [n, K, width]
        return torch.stack([tower(mixture[:, k]) for k, tower in enumerate(self.towers)], 1)  # [n, K, D]

    def gate(self, features: Tensor) -> Tensor:
        """Return the weights of the experts [n, K, experts] for features [n, output]; they sum to one."""
        logit: Tensor = self.gates(features).unflatten(1, (len(self.towers), -1))
        return logit.softmax(-1)
