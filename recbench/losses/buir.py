"""Bootstrapping user and item representations."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity
from torch.optim import Optimizer

from recbench.backbones.base import Backbone
from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, Loss
from recbench.samplers import Sampler, Triplets


@LOSSES.add("buir")
class BUIR(Loss):
    """Bootstrapped representations: predicts the slow copy's item from the user, and its user from the item.

    Lee et al., SIGIR 2021, equations 1-5, https://arxiv.org/abs/2105.06323. No negatives; the slow copy follows
    the online backbone with `momentum`, and the predictor `q` serves at scoring: <q(u), v> + <u, q(v)>.
    """

    reads_logits: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({"vectors"})
    sampler: Sampler = Triplets(negatives=0)

    def __init__(self, info: Info, *, momentum: float = 0.995) -> None:
        super().__init__(info)
        if not 0 <= momentum < 1:
            raise UsageError(f"loss.momentum={momentum}: expected a number in [0, 1)")
        self.momentum = momentum

    def prepare(self, backbone: Backbone, lr: float) -> Optimizer:
        """Add the slow copy and the predictor, then optimise the online backbone and the predictor."""
        with torch.no_grad():
            zero = torch.zeros(1, dtype=torch.long, device=next(backbone.parameters()).device)
            dim = backbone(zero, zero[None]).user.shape[-1]
        self.predictor = nn.Linear(dim, dim, device=zero.device)
        self.slow = deepcopy(backbone).requires_grad_(False)
        return super().prepare(backbone, lr)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positive pairs of both squared distances between unit vectors, each in [0, 4]."""
        with torch.no_grad():
            slow = self.slow.encode(replace(batch, item=batch.item[:, :1]))
        user, item = towers.user, towers.item[:, 0]  # [B, 1, D]
        loss = 4 - 2 * cosine_similarity(self.predictor(user), slow.item[:, 0], dim=-1)
        return (loss - 2 * cosine_similarity(self.predictor(item), slow.user, dim=-1)).mean()

    def step(self, backbone: Backbone, batch: Batch, optimizer: Optimizer) -> Tensor:
        """Make one update, then let the slow copy follow."""
        loss = super().step(backbone, batch, optimizer)
        with torch.no_grad():
            for slow, online in zip(self.slow.parameters(), backbone.parameters(), strict=True):
                slow.lerp_(online, 1 - self.momentum)
        return loss

    def vectors(self, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
        """Return [q(u), u] and [v, q(v)], whose inner product is the score."""
        return torch.cat([self.predictor(user), user], -1), torch.cat([item, self.predictor(item)], -1)
