"""What the three forms of SelfCF share: a predictor that is drawn to a changed form of the other side."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, cat, nn
from torch.nn.functional import cosine_similarity

from recbench.backbones.base import Backbone
from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import Loss
from recbench.losses.building_blocks.backbone_vectors import dimension
from recbench.samplers import Triplets


class SelfCF(Loss):
    """-(cos(q(u), i') + cos(q(i), u')) / 2 of positive pairs, u' and i' targets without gradient; no negatives.

    q is a linear predictor that users and items share. The score is <q(u), i> + <u, q(i)>. Subclasses give the targets.
    """

    reads_logits: ClassVar[bool] = False
    fixed_sampler: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset({"vectors", "positive first"})

    def __init__(self, info: Info) -> None:
        super().__init__(info, Triplets(negatives=0))

    def prepare(self, backbone: Backbone) -> None:
        """Add the predictor."""
        dim, device = dimension(backbone), next(backbone.parameters()).device
        self.predictor = nn.Linear(dim, dim, device=device)

    @abstractmethod
    def targets(self, user: Tensor, item: Tensor, towers: Towers, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the targets [B, D] of users and positive items, whose vectors [B, D] without gradient are given."""

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positive pairs."""
        user, item = towers.user[:, 0], towers.item[:, 0, 0]
        of_user, of_item = self.targets(user.detach(), item.detach(), towers, batch)
        agreement = cosine_similarity(self.predictor(user), of_item, dim=-1)
        agreement = agreement + cosine_similarity(self.predictor(item), of_user, dim=-1)
        return batch.mean(-agreement[:, None] / 2)

    def vectors(self, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
        """Return [q(u), u] and [i, q(i)], whose inner product is the score."""
        return cat([self.predictor(user), user], -1), cat([item, self.predictor(item)], -1)
