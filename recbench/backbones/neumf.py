"""Neural matrix factorisation: an inner product and a perceptron side by side."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbench.backbones.base import BACKBONES, Backbone
from recbench.backbones.building_blocks.free_vectors import free_vectors
from recbench.backbones.building_blocks.perceptron import layer_widths
from recbench.backbones.building_blocks.row_table import RowTable, rows_of
from recbench.batch import Towers
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.settings import Count, CountOrZero, NonNegative, Positive

ALPHA = 0.5  # weight of h_gmf where the branches are put together, and 1 less of h_mlp
BLOCK = 1 << 20  # numbers in a block of the first hidden layer: 4 MiB of float32, near the caches


@BACKBONES.add("neumf")
class NeuMF(Backbone):
    """Generalised matrix factorisation beside a perceptron of both vectors, with one linear head; no inner product.

    He et al., WWW 2017, https://arxiv.org/abs/1708.05031: the logit is h . [p * q, phi([p', q'])] with
    vectors p, q of `dim` and p', q' of `embedding` numbers, phi of ReLU layers `hidden`, and no bias in the head.
    `dim=8`, `embedding=32`, `hidden=32-16-8` are the defaults of the authors' code; here p and p' start at N(0, std),
    as there, and all weights at Glorot's uniform distribution. Each tower is such a model of its own. `l2` weighs half
    the squared norms of the batch's vectors of both branches, per user. The towers' vectors are [p, p'] and [q, q'];
    their inner products are not the scores, so losses that need such refuse this backbone.

    In the first `pretrain` epochs the two branches are models of their own, h_gmf . (p * q) and h_mlp . phi([p', q']),
    each with the loss to itself, on the same batches; then h = [h_gmf / 2, h_mlp / 2] and one model goes on (the
    paper's pre-training, with its alpha of 0.5). Validation and test always score that one model, and the best epoch
    may lie before it is trained as one. The paper goes on with plain SGD; here `train.optimizer` goes on, with its
    moments, and the branches share the scale and bias of the logits, where these are learned. Raises UsageError for a
    setting out of range.
    """

    decomposable: ClassVar[bool] = False
    offers: ClassVar[frozenset[str]] = frozenset({"embeddings", "forward derivatives"})
    omitted_when_default: ClassVar[frozenset[str]] = frozenset({"pretrain"})

    share: Tensor  # of each branch in the score, where they are trained apart first

    def __init__(
        self,
        data: Dataset,
        towers: int,
        cosine: bool,
        *,
        dim: Count = 64,
        embedding: Count = 64,
        hidden: str = "64-32-16",
        l2: NonNegative = 0.0,
        std: Positive = 0.01,
        pretrain: CountOrZero = 0,
    ) -> None:
        super().__init__(data, towers, cosine)
        widths = layer_widths(hidden)
        if not widths:
            raise UsageError("backbone.hidden is empty: expected widths joined by -, as in 64-32-16")
        self.split = (dim, embedding)
        self.register_l2(l2)
        # The tables of both branches lie side by side, so that one gather reads both.
        self.user_table = RowTable(free_vectors(data.users, towers * (dim + embedding), std))
        self.item_table = RowTable(free_vectors(data.items, towers * (dim + embedding), std))
        self.models = nn.ModuleList(_Tower(dim, embedding, widths) for _ in range(towers))
        self.models.to(self.user_table.device)
        self.pretraining = pretrain
        self.are_apart = pretrain > 0  # the branches, while they are trained
        if pretrain:
            self.register_buffer("share", torch.tensor(ALPHA, device=self.user_table.device))

    def start_epoch(self, epoch: int) -> None:
        """Train the branches apart in the first epochs, and put their weights h together after these."""
        self.are_apart = epoch <= self.pretraining
        if self.pretraining and not self.are_apart and float(self.share) != 1:
            with torch.no_grad():
                for model in self.models:
                    assert isinstance(model, _Tower)
                    model.head.weight.mul_(self.share)
                self.share.fill_(1)

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the vectors [p, p'] and [q, q'] of user [B] and item [B, N], and the logits of all pairs."""
        user_rows, item_rows = rows_of(self.user_table, user), rows_of(self.item_table, item)
        shape = (self.towers, -1)
        user_vectors, item_vectors = user_rows.unflatten(-1, shape), item_rows.unflatten(-1, shape)
        (p, p_mlp), (q, q_mlp) = user_vectors.split(self.split, -1), item_vectors.split(self.split, -1)
        logits = [model(p[:, k], q[:, :, k], p_mlp[:, k], q_mlp[:, :, k]) for k, model in enumerate(self.models)]
        product, deep = (torch.stack(branch, -1) for branch in zip(*logits, strict=True))
        vectors, tables = (user_vectors, item_vectors), (self.user_table, self.item_table)
        penalty = self.regulariser.penalty(self.l2, self, rows=(user_rows, item_rows), vectors=vectors, tables=tables)
        pair = (product + deep) * self.share if self.pretraining else product + deep
        apart = (product, deep) if self.are_apart and self.training else ()
        return Towers(*vectors, batch_penalty=penalty, pair=pair, apart=apart)


class _Tower(nn.Module):
    def __init__(self, dim: int, embedding: int, widths: list[int]) -> None:
        super().__init__()
        self.user_side = nn.Linear(embedding, widths[0])
        self.item_side = nn.Linear(embedding, widths[0], bias=False)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths[:-1], widths[1:], strict=True))
        self.head = nn.Linear(dim + widths[-1], 1, bias=False)
        joint = torch.empty(widths[0], 2 * embedding)  # both sides are one layer of the paper
        nn.init.xavier_uniform_(joint)
        with torch.no_grad():
            self.user_side.weight.copy_(joint[:, :embedding])
            self.item_side.weight.copy_(joint[:, embedding:])
        for layer in (*self.layers, self.head):
            nn.init.xavier_uniform_(layer.weight)
        for layer in (self.user_side, *self.layers):
            nn.init.zeros_(layer.bias)

    def forward(self, p: Tensor, q: Tensor, p_mlp: Tensor, q_mlp: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits [B, N] of both branches, of users [B, .] and items [B, N, .] (or a shared [1, N, .])."""
        dim = p.shape[-1]
        weighted = p * self.head.weight[0, :dim]
        product = weighted @ q[0].T if len(q) == 1 else (weighted[:, None] * q).sum(-1)
        first, second = self.user_side(p_mlp)[:, None], self.item_side(q_mlp)
        width = max(1, BLOCK // (len(p) * first.shape[-1]))
        return product, torch.cat([self._deep(first + part) for part in second.split(width, 1)], 1)

    def _deep(self, hidden: Tensor) -> Tensor:
        hidden = F.relu(hidden)
        for layer in self.layers:
            hidden = F.relu(layer(hidden))
        deep: Tensor = hidden @ self.head.weight[0, -hidden.shape[-1] :]
        return deep
