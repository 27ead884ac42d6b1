"""Softmax loss whose negatives an adversary weighs."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from recbench.backbones.base import Backbone
from recbench.gpu import rows_at
from recbench.losses import LOSSES, Batch, Info, Logit, Towers
from recbench.losses.building_blocks.sampled_softmax import SampledSoftmaxLoss, Slates, Source
from recbench.settings import Count, CountOrZero, Positive


@LOSSES.add("adv-infonce")
class AdvInfoNCE(SampledSoftmaxLoss):
    """InfoNCE against hard negatives: -log(e^s_ui / (e^s_ui + N sum_j q_j e^s_uj)), q the softmax of P_u Q_j over j.

    Zhang et al., NeurIPS 2023, https://arxiv.org/abs/2310.18700. P and Q, of `dim` numbers, are an adversary's: in
    the third of every `every` epochs, at most `rounds` times, they alone are trained, with `adversary_lr`, to raise the
    loss, and the model rests. N is the number of negatives times `weight`: 1 in the paper, 64 in the released code.
    """

    cosine = True
    logit = Logit("fixed", scale=10.0)
    weight: Tensor

    def __init__(
        self,
        info: Info,
        *,
        weight: Positive = 1.0,
        dim: Count = 64,
        every: Count = 5,
        rounds: CountOrZero = 10,
        adversary_lr: Positive = 5e-5,
        source: Source = "pool",
        negatives: Count = 1024,
        mask_positives: bool = True,
    ) -> None:
        super().__init__(info, source, negatives, mask_positives)
        self.every, self.rounds, self.adversary_lr = every, rounds, adversary_lr
        self.register_numbers(weight=weight)
        self.user = nn.Parameter(nn.init.xavier_normal_(torch.empty(info.users, dim)))
        self.item = nn.Parameter(nn.init.xavier_normal_(torch.empty(info.items, dim)))
        self.adversary_learns = False

    def parameter_groups(self, backbone: Backbone) -> list[dict[str, Any]]:
        """Return a group of the adversary beside the others, with a learning rate of its own."""
        (group,) = super().parameter_groups(backbone)
        others = [p for p in group["params"] if p is not self.user and p is not self.item]
        return [{"params": others}, {"params": [self.user, self.item], "lr": self.adversary_lr}]

    def start_epoch(self, backbone: Backbone, epoch: int) -> None:
        """Decide who learns."""
        turn, place = divmod(epoch - 1, self.every)
        self.adversary_learns = turn < self.rounds and place == min(2, self.every - 1)

    def objective(self, backbone: Backbone, batch: Batch) -> Tensor:
        """Return the objective, whose gradient is that of the model, or the opposite of the adversary's."""
        if not self.adversary_learns:
            return super().objective(backbone, batch)
        with torch.no_grad():
            towers = self.encode(backbone, batch)
        loss: Tensor = self(towers, batch)
        return 2 * loss.detach() - loss

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives."""
        candidates = Slates.of(batch)
        positive, negatives = candidates.logits(towers)
        with torch.set_grad_enabled(self.adversary_learns):
            log_q = candidates.masked(candidates.inner(self._adversary(batch))[1]).log_softmax(1)
        hard = (candidates.masked(negatives) + log_q).logsumexp(1) + (candidates.number(log_q) * self.weight).log()
        return candidates.mean(softplus(hard - positive))

    def _adversary(self, batch: Batch) -> Towers:
        """Return the towers of P and Q."""
        user = rows_at(self.user, batch.user).unsqueeze(1)
        if len(batch.item) == 1:
            return Towers(user, rows_at(self.item, batch.item).unsqueeze(2))
        return Towers(user, self.item[None, :, None], column=batch.item)
