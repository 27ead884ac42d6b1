"""Two towers over the features of users and items."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from recbench.backbones.base import BACKBONES, Backbone
from recbench.backbones.building_blocks.features import Features
from recbench.batch import Towers
from recbench.data.dataset import Dataset, Table
from recbench.errors import UsageError
from recbench.settings import at_least


@BACKBONES.add("twintower")
class TwinTower(Backbone):
    """A multi-layer perceptron per tower over concatenated feature embeddings.

    Huang et al., CIKM 2013 (DSSM); sizes of GNOLR (KDD 2025), appendix A.2: embeddings of 16, layers 128-64-32,
    LeakyReLU, the embedding table shared by all towers of a side. `senet` puts a squeeze-and-excitation gate before
    the perceptrons (see `field_gate`), an option of GNOLR's code that is off in the paper.
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
        senet: bool = False,
    ) -> None:
        super().__init__(data, towers, cosine)
        at_least("backbone.dim", dim, 1)
        at_least("backbone.embedding", embedding, 1)
        widths = [*layer_widths(hidden), dim]
        self.user_side = _Side(data.users, towers, embedding, widths, senet)
        self.item_side = _Side(data.items, towers, embedding, widths, senet)

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B] and item [B, N]."""
        return Towers(self.user_side(user), self.item_side(item.flatten()).unflatten(0, item.shape))


class _Side(nn.Module):
    def __init__(self, table: Table, towers: int, embedding: int, widths: list[int], senet: bool) -> None:
        super().__init__()
        self.features = Features(table, embedding, senet)
        self.towers = nn.ModuleList(perceptron([self.features.output, *widths]) for _ in range(towers))
        self.to(table.value.device)

    def forward(self, row: Tensor) -> Tensor:
        features = self.features(row)
        return torch.stack([tower(features) for tower in self.towers], 1)  # [n, K, D]


def layer_widths(hidden: str) -> list[int]:
    """Parse the setting `backbone.hidden`, as in "128-64"; raises UsageError if it is no such list."""
    layers = hidden.split("-") if hidden else []
    if not all(width.isdigit() and int(width) for width in layers):
        raise UsageError(f"backbone.hidden={hidden}: expected widths joined by -, as in 128-64")
    return [int(width) for width in layers]


def perceptron(widths: list[int]) -> nn.Sequential:
    """Return linear layers from widths[0] to widths[-1] with LeakyReLU between them, none after the last."""
    layers: list[nn.Module] = []
    for width, following in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(width, following), nn.LeakyReLU()]
    return nn.Sequential(*layers[:-1])
