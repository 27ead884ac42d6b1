"""Two towers over the features of users and items."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbench.backbones.base import BACKBONES, Backbone
from recbench.backbones.features import Features
from recbench.batch import Towers
from recbench.data.dataset import Dataset, Table
from recbench.errors import UsageError
from recbench.settings import at_least


@BACKBONES.add("twintower")
class TwinTower(Backbone):
    """A multi-layer perceptron per tower over concatenated feature embeddings.

    Huang et al., CIKM 2013 (DSSM); sizes of GNOLR (KDD 2025), appendix A.2: embeddings of 16, layers 128-64-32,
    LeakyReLU, the embedding table shared by all towers of a side.
    """

    def __init__(
        self,
        data: Dataset,
        towers: int,
        cosine: bool,
        *,
        dim: int = 32,
        embedding: int = 16,
        hidden: str = "128-64",
    ) -> None:
        super().__init__(data, towers, cosine)
        at_least("backbone.dim", dim, 1)
        at_least("backbone.embedding", embedding, 1)
        layers = hidden.split("-") if hidden else []
        if not all(width.isdigit() and int(width) for width in layers):
            raise UsageError(f"backbone.hidden={hidden}: expected widths joined by -, as in 128-64")
        widths = [int(width) for width in layers]
        self.user_side = _Side(data.users, towers, dim, embedding, widths)
        self.item_side = _Side(data.items, towers, dim, embedding, widths)

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B] and item [B, N]."""
        return Towers(self.user_side(user), self.item_side(item.flatten()).unflatten(0, item.shape))


class _Side(nn.Module):
    def __init__(self, table: Table, towers: int, dim: int, embedding: int, hidden: list[int]) -> None:
        super().__init__()
        self.features = Features(table, embedding)
        self.towers = nn.ModuleList(_perceptron([self.features.output, *hidden, dim]) for _ in range(towers))
        self.to(table.value.device)

    def forward(self, row: Tensor) -> Tensor:
        features = self.features(row)
        return torch.stack([tower(features) for tower in self.towers], 1)  # [n, K, D]


def _perceptron(widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width, following in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(width, following), nn.LeakyReLU()]
    return nn.Sequential(*layers[:-1])
