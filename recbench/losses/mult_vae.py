"""Variational autoencoders with a multinomial likelihood."""

import torch
from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.catalogue import log_likelihood
from recbench.samplers import Catalogue
from recbench.settings import Count, NonNegative


@LOSSES.add("mult-vae")
class MultVAE(Loss):
    """Minus the log-likelihood of all that users have had, plus beta times their codes' divergence from the prior.

    Liang et al., WWW 2018, https://arxiv.org/abs/1802.05814: the likelihood is that of `mult-dae`, given
    one code drawn for the user, and the prior is standard normal. The weight of the divergence rises on a straight line
    from 0 to `beta` in the first `beta` * `anneal` steps, as in the released code, min(0.2, step / 200,000): training
    of fewer than 40,000 steps never reaches it, and asks for a smaller `anneal`.
    """

    step_number: Tensor
    sampler = Catalogue()
    needs = frozenset({"catalogue", "vectors", "code distributions"})
    searched = ("beta=0.02..1",)

    def __init__(self, info: Info, *, beta: NonNegative = 0.2, anneal: Count = 200_000) -> None:
        super().__init__(info)
        self.beta, self.anneal = beta, anneal
        self.register_buffer("step_number", torch.zeros((), dtype=torch.float64))

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over users; in evaluation mode no codes are drawn, and only the likelihood is left."""
        loss = -log_likelihood(towers, batch)[0].mean()
        if towers.divergence is None:
            return loss
        weight = (self.step_number / self.anneal).clamp(max=self.beta).to(loss)
        return loss + weight * towers.divergence.mean()

    def after_step(self, backbone: Backbone) -> None:
        """Count the steps."""
        self.step_number += 1
