"""SelfCF with targets from history."""

import torch
from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.selfcf import SelfCF
from recbench.settings import Share


@LOSSES.add("selfcf-he")
class SelfCFHE(SelfCF):
    """SelfCF, historical embedding: targets are `momentum` times what a row was when last seen plus 1 - momentum now.

    Zhou et al., TORS 2023, https://arxiv.org/abs/2107.03019: -(cos(q(u), i') + cos(q(i), u')) / 2 with a
    linear predictor q and no negatives. As in the authors' code what is kept is the vector itself, not the mean, and
    is random at first.
    """

    past_user: Tensor
    past_item: Tensor

    searched = ("momentum=0.02..0.5",)

    def __init__(self, info: Info, *, momentum: Share = 0.1) -> None:
        super().__init__(info)
        self.momentum = momentum

    def prepare(self, backbone: Backbone) -> None:
        """Add the predictor and what rows were when they were last seen."""
        super().prepare(backbone)
        for name, rows in (("past_user", backbone.users), ("past_item", backbone.items)):
            vectors = torch.randn(rows, self.predictor.in_features)
            self.register_buffer(name, vectors.to(self.predictor.weight.device))

    @torch.no_grad()
    def targets(self, user: Tensor, item: Tensor, towers: Towers, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the mixtures, and in training keep the vectors."""
        rows = batch.user, batch.item[:, 0]
        mixed = (
            self.past_user[rows[0]].lerp(user, 1 - self.momentum),
            self.past_item[rows[1]].lerp(item, 1 - self.momentum),
        )
        if self.training:
            self.past_user.index_copy_(0, rows[0], user)
            self.past_item.index_copy_(0, rows[1], item)
        return mixed
