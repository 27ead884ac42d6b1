"""Bootstrapping user and item representations."""

from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from recbench.backbones.base import Backbone
from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.backbone_vectors import dimension
from recbench.samplers import Triplets
from recbench.settings import Share


@LOSSES.add("buir")
class BUIR(Loss):
    """Bootstrapped representations: |q(u) - v'|^2 + |q(v) - u'|^2 of unit vectors, u' and v' from a slow copy.

    Lee et al., SIGIR 2021, https://arxiv.org/abs/2105.06323. There are no negatives. q is a linear
    predictor, and the copy of the backbone follows it with `momentum`. The score is <q(u), v> + <u, q(v)>.
    """

    reads_logits = False
    fixed_sampler = True
    needs = frozenset({"vectors", "positive first"})

    def __init__(self, info: Info, *, momentum: Share = 0.995) -> None:
        super().__init__(info, Triplets(negatives=0))
        self.momentum = momentum

    def prepare(self, backbone: Backbone) -> None:
        """Add the slow copy, which is not optimised, and the predictor, which is."""
        dim, device = dimension(backbone), next(backbone.parameters()).device
        self.predictor = nn.Linear(dim, dim, device=device)
        self.slow = deepcopy(backbone).requires_grad_(False)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positive pairs of both squared distances, each in [0, 4]."""
        with torch.no_grad():
            slow = self.slow.encode(replace(batch, item=batch.item[:, :1]))
        user, item = towers.user, towers.item[:, 0]  # [B, 1, D]
        loss = 4 - 2 * cosine_similarity(self.predictor(user), slow.item[:, 0], dim=-1)
        return batch.mean(loss - 2 * cosine_similarity(self.predictor(item), slow.user, dim=-1))

    @torch.no_grad()
    def after_step(self, backbone: Backbone) -> None:
        """Let the slow copy follow."""
        for slow, online in zip(self.slow.parameters(), backbone.parameters(), strict=True):
            slow.lerp_(online, 1 - self.momentum)

    def vectors(self, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
        """Return [q(u), u] and [v, q(v)], whose inner product is the score."""
        return torch.cat([self.predictor(user), user], -1), torch.cat([item, self.predictor(item)], -1)
