"""Attention over single features and over products of two features, on each side."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.features import Features
from recbench.backbones.building_blocks.two_sides import TwoSidedBackbone
from recbench.data.dataset import Dataset, Table
from recbench.errors import UsageError
from recbench.settings import Count, Range

AtLeastTwo = Annotated[int, Range("at least 2", lambda number: number >= 2)]
PAIRS_AT_ONCE = 2**20  # entities times pairs that `tables` works on at once, for memory


@BACKBONES.add("mmfi")
class MMFI(TwoSidedBackbone):
    """Multi-task aware feature interaction: half of a vector is a mean of feature pairs, half one of single features.

    Song et al., TKDD 2024, https://doi.org/10.1145/3651312, as GNOLR (KDD 2025, Table 15) has it: on each side, and
    with one scenario. Both halves have embeddings of their own, of `dim` / 2 numbers. A pair is the product of two
    embeddings times a learned weight. Each pair x goes through one linear layer to `bottom` numbers and from there
    through linear experts to `middle` numbers, `shared` ones for all towers and `specific` ones for each; a gate
    softmax(W_k x + b_k) mixes them. A tower's attention is a softmax over all pairs of a linear function of all its
    mixtures, and weighs the pairs. Single features go the same way, with a bias per tower at the end.

    With one scenario the paper's scenario-task vector is constant within a tower and so part of the gate's bias. The
    sparse variant is left out, as there. `batch_norm` normalises the attention before its softmax over the batch, as
    the published code does: while training, an entity's vector then depends on the others of its batch, so it is off
    by default. `shared_gates` uses the gates of the pairs for the single features too, as GNOLR's code does by mistake.
    Dense vectors make one more feature, projected to `dim` numbers. Parameters and work grow with the square of the
    number of pairs: 63 features are 1953 pairs and 15 million weights of attention per tower.
    """

    def __init__(
        self,
        data: Dataset,
        towers: int,
        cosine: bool,
        *,
        dim: AtLeastTwo = 32,
        bottom: Count = 14,
        middle: Count = 4,
        shared: Count = 4,
        specific: Count = 2,
        batch_norm: bool = False,
        shared_gates: bool = False,
    ) -> None:
        super().__init__(data, towers, cosine)
        if dim % 2:
            raise UsageError(
                f"backbone.dim={dim}: expected an even number, half for pairs of features, half for single"
            )
        sizes = (bottom, middle, shared, specific)
        user_side = _Side("user", data.users, towers, dim, sizes, batch_norm, shared_gates)
        item_side = _Side("item", data.items, towers, dim, sizes, batch_norm, shared_gates)
        pairs = max(len(user_side.weight), len(item_side.weight))
        self.user_side, self.item_side = user_side, item_side
        self.entities_at_once = min(self.entities_at_once, max(1, PAIRS_AT_ONCE // pairs))


class _Side(nn.Module):
    first: Tensor
    second: Tensor

    def __init__(
        self,
        side: str,
        table: Table,
        towers: int,
        dim: int,
        sizes: tuple[int, int, int, int],
        batch_norm: bool,
        shared_gates: bool,
    ) -> None:
        super().__init__()
        fields = len(table.columns) + (table.dense is not None)
        if fields < 2:
            raise UsageError(
                f"backbone `mmfi` pairs features, and {side}s have {fields}; use twintower or mmoe instead"
            )
        self.features = Features(table, dim)  # the embeddings of both halves, side by side
        self.project = None if table.dense is None else nn.Linear(table.dense.shape[1], dim)
        first, second = torch.triu_indices(fields, fields, 1)
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("second", second, persistent=False)
        pairs = len(first)
        self.weight = nn.Parameter(torch.randn(pairs) * (2 / (pairs + 1)) ** 0.5)  # Xavier's, of a [pairs, 1] matrix
        self.over_pairs = _Attention(pairs, towers, dim // 2, sizes, batch_norm)
        self.over_fields = _Attention(fields, towers, dim // 2, sizes, batch_norm)
        if shared_gates:
            self.over_fields.gates = self.over_pairs.gates
        self.bias = nn.Parameter(torch.zeros(towers, dim // 2))
        self.to(table.value.device)

    def forward(self, row: Tensor, kept: Tensor | None = None) -> Tensor:
        paired, single = self._fields(row, kept).chunk(2, -1)
        pairs = paired[:, self.first] * paired[:, self.second] * self.weight[:, None]
        return torch.cat([self.over_pairs(pairs), self.over_fields(single) + self.bias], -1)  # [n, K, D]

    def _fields(self, row: Tensor, kept: Tensor | None) -> Tensor:
        fields, dense = self.features.fields(row, kept), self.features.dense_vectors(row, kept)
        return fields if self.project is None else torch.cat([fields, self.project(dense)[:, None]], 1)


class _Attention(nn.Module):
    """Per tower, a mean of P vectors weighted by an attention that experts and gates make of them."""

    def __init__(
        self, count: int, towers: int, embedding: int, sizes: tuple[int, int, int, int], batch_norm: bool
    ) -> None:
        super().__init__()
        bottom, middle, shared, specific = sizes
        self.towers = towers
        self.shared = shared
        self.bottom = nn.Linear(embedding, bottom)
        self.shared_experts = nn.Linear(bottom, shared * middle)
        self.specific_experts = nn.Linear(bottom, towers * specific * middle)
        self.gates = nn.Linear(embedding, towers * (shared + specific))
        self.heads = nn.ModuleList(nn.Linear(count * middle, count) for _ in range(towers))
        self.norms = nn.ModuleList(_BatchNorm(count) for _ in range(towers)) if batch_norm else None

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the weighted means [n, K, embedding] of vectors [n, P, embedding]."""
        return torch.einsum("nkp,npe->nke", self.attention(vectors), vectors)

    def attention(self, vectors: Tensor) -> Tensor:
        """Return the weights [n, K, P] of vectors [n, P, embedding]; they sum to one."""
        mixed = self._mixtures(vectors)
        logits = [head(mixed[:, :, k].flatten(1)) for k, head in enumerate(self.heads)]
        if self.norms is not None:
            logits = [norm(logit) for norm, logit in zip(self.norms, logits, strict=True)]
        return torch.stack(logits, 1).softmax(-1)

    def gate(self, vectors: Tensor) -> Tensor:
        """Return the weights of the experts [n, P, K, shared + specific]; they sum to one."""
        logit: Tensor = self.gates(vectors).unflatten(-1, (self.towers, -1))
        return logit.softmax(-1)

    def _mixtures(self, vectors: Tensor) -> Tensor:
        gate = self.gate(vectors)
        hidden = self.bottom(vectors)
        shared = self.shared_experts(hidden).unflatten(-1, (self.shared, -1))
        own = self.specific_experts(hidden).unflatten(-1, (self.towers, gate.shape[-1] - self.shared, -1))
        from_shared = torch.einsum("npke,npem->npkm", gate[..., : self.shared], shared)
        return from_shared + torch.einsum("npke,npkem->npkm", gate[..., self.shared :], own)  # [n, P, K, middle]


class _BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that takes its running statistics for a batch of one, which has no variance."""

    def forward(self, input: Tensor) -> Tensor:
        if len(input) > 1:
            return super().forward(input)
        return F.batch_norm(input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
