"""Noisy-label robust pointwise optimisation."""

from math import sqrt
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from recbench.gpu import rows_at
from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.samplers import Triplets
from recbench.settings import Count, NonNegative


@LOSSES.add("nbpo")
class NBPO(Loss):
    """Likelihood of labels of which some may be flipped; how likely each is flipped is learned beside the scores.

    Yu & Qin, SIGIR 2020, https://doi.org/10.1145/3397271.3401155. With relevance R = s_ui and the flip's logit G =
    <p_u, q_i>, vectors of `noise_dim` numbers of the loss's own: log sigmoid(R) + log sigmoid(-G) for a positive,
    log(sigmoid(-R) + sigmoid(R) sigmoid(G)) for a negative, which may be a positive that was missed. The paper descends
    a surrogate with constant weights sigmoid(R), sigmoid(G), sigmoid(-G); `gradient=exact` the likelihood itself. p
    starts uniform in [0, start / sqrt(noise_dim)], q below 0 likewise, so that flips are rare at first, without which R
    collapses. `repeat_positives` counts each positive as often as its slate has negatives, as the authors' code does;
    the mean stays one over slots.
    """

    def __init__(
        self,
        info: Info,
        *,
        negatives: Count = 4,
        noise_dim: Count = 50,
        start: NonNegative = 5.0,
        gradient: Literal["surrogate", "exact"] = "surrogate",
        repeat_positives: bool = False,
    ) -> None:
        super().__init__(info, Triplets(negatives))
        self.gradient = gradient
        self.repeat_positives = repeat_positives
        most = start / sqrt(noise_dim)
        self.user_noise = nn.Parameter(most * torch.rand(info.users, noise_dim))
        self.item_noise = nn.Parameter(-most * torch.rand(info.items, noise_dim))

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return minus the mean over the slots that count, of the surrogate or of the log-likelihood."""
        user, item = rows_at(self.user_noise, batch.user), rows_at(self.item_noise, batch.item)
        flip = Towers(user.unsqueeze(1), item.unsqueeze(2)).inner[..., 0]
        relevance = towers.logit[..., 0]
        relevant, flipped, unflipped = logsigmoid(relevance), logsigmoid(flip), logsigmoid(-flip)
        if self.gradient == "exact":
            of_positive = relevant + unflipped
            of_negative = torch.logaddexp(logsigmoid(-relevance), relevant + flipped)
        else:
            r, f, u = (log.detach().exp() for log in (relevant, flipped, unflipped))
            of_positive = u * relevant + r * unflipped
            of_negative = logsigmoid(-relevance) + f * relevant + r * flipped
        positive = batch.label[..., 0] > 0
        if self.repeat_positives:
            negative = ~positive if batch.mask is None else batch.mask & ~positive
            of_positive = of_positive * negative.sum(1, keepdim=True).clamp(min=1)
        return -batch.mean(torch.where(positive, of_positive, of_negative))
