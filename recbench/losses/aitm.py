"""Adaptive information transfer between tasks."""

from dataclasses import replace

from torch import Tensor
from torch.nn import functional as F

from recbench.backbones.base import Backbone
from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.backbone_vectors import dimension
from recbench.losses.building_blocks.multitask import MultitaskLoss
from recbench.losses.building_blocks.per_task import means
from recbench.losses.building_blocks.transfer import Transfer
from recbench.settings import NonNegative


@LOSSES.add("aitm")
class AITM(MultitaskLoss):
    """Adaptive information transfer: a tower takes from the one before, and is held below it by a penalty.

    Xi et al., KDD 2021, https://arxiv.org/abs/2105.08489: cross-entropies, plus `constraint` times the mean of
    max(p_c - p_{c-1}, 0). Tower c predicts the c-th feedback on all rows, not a step to it. With `transfer`, the
    vectors of tower c become a mixture, by attention, of themselves and of what tower c - 1 passes on (`Transfer`): the
    paper does this with one vector of user and item together, here each side does, so that scores are inner products.
    Both off is `nsb`. The paper's L2 of 1e-6 is a setting of the backbone, or `train.weight_decay`.
    """

    needs = frozenset({"embeddings", "vectors"})
    searched = ("pos_weight=1..20", "constraint=0.1..3")

    def __init__(
        self, info: Info, *, pos_weight: str = "1", constraint: NonNegative = 0.6, transfer: bool = True
    ) -> None:
        super().__init__(info, pos_weight=pos_weight)
        self.constraint, self.transfer = constraint, transfer

    def prepare(self, backbone: Backbone) -> None:
        """Add what the towers pass on, for each side."""
        if self.transfer:
            size, device = (self.towers, dimension(backbone)), next(backbone.parameters()).device
            self.of_users, self.of_items = Transfer(*size).to(device), Transfer(*size).to(device)

    def vectors(self, user: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors after the transfer, of unit length on cosines."""
        if not self.transfer:
            return user, item
        user, item = self.of_users(user), self.of_items(item)
        return (F.normalize(user, dim=-1), F.normalize(item, dim=-1)) if self.head.unit_length else (user, item)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the sum of the terms."""
        return self.terms(towers, batch).sum()

    def terms(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over rows of each feedback's cross-entropy and of what it exceeds the one before by."""
        if towers.pair is None:
            user, item = self.vectors(towers.user, towers.item)
            towers = replace(towers, user=user, item=item)
        logit, label = towers.logit, batch.label.to(towers.logit)
        entropy = F.binary_cross_entropy_with_logits(logit, label, pos_weight=self.pos_weight, reduction="none")
        excess = F.pad(logit.sigmoid().diff(dim=-1).clamp(min=0), (1, 0))
        return means(entropy + self.constraint * excess, batch)
