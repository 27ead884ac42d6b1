"""Lower-left partial AUC."""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from recbench.backbones.base import Backbone
from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.sampled_softmax import SampledSoftmaxLoss, Slates, Source
from recbench.settings import Count, Positive, Range

Fraction = Annotated[float, Range("a number in (0, 1]", lambda number: 0 < number <= 1)]
AUXILIARY = {  # where they start, and between what they are held
    "a": (1.0, 0.0, 1.0),
    "b": (0.0, 0.0, 1.0),
    "gamma": (0.0, -1.0, 1.0),
    "positive_threshold": (0.5, -1.0, 4.0),
    "negative_threshold": (0.5, 0.0, 5.0),
    "multiplier_a": (0.5, 0.0, float("inf")),
    "multiplier_b": (0.5, 0.0, float("inf")),
}
ASCENDING = ("gamma", "positive_threshold")


@LOSSES.add("llpauc")
class LLPAUC(SampledSoftmaxLoss):
    """Squared loss of the AUC among the highest `alpha` of the positives and the highest `beta` of the negatives.

    Shi et al., WWW 2024, https://arxiv.org/abs/2403.00844. With x = sigmoid(s), sp(z) = softplus(kappa z) / kappa:
    -s+ - mean sp(-(x+ - a)^2 + 2 (1 + g) x+ - s+) / alpha + s- + mean sp((x- - b)^2 + 2 (1 + g) x- - s-) / beta
    - g^2 - tb (b - 1 - g) + ta (a + g). The model, a, b, s-, ta and tb descend it, g and s+ ascend it, all at the same
    learning rate. The released code has twice that rate for s+ and s-, and negatives that may be positives of the user
    (`mask_positives=false`).
    """

    alpha: Tensor
    beta: Tensor
    kappa: Tensor

    searched = ("alpha=0.3..0.95", "beta=0.02..0.5")

    def __init__(
        self,
        info: Info,
        *,
        alpha: Fraction = 0.7,
        beta: Fraction = 0.1,
        kappa: Positive = 5.0,
        source: Source = "pool",
        negatives: Count = 1024,
        mask_positives: bool = True,
    ) -> None:
        super().__init__(info, source, negatives, mask_positives)
        self.register_numbers(alpha=alpha, beta=beta, kappa=kappa)
        self.auxiliary = nn.ParameterDict({name: torch.tensor(start) for name, (start, _, _) in AUXILIARY.items()})

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the value for the positives and the negatives of the batch, of which each counts alike."""
        candidates = Slates.of(batch)
        a, b, g, s_pos, s_neg, t_a, t_b = (self._variable(name) for name in AUXILIARY)
        positive, negative = (logit.sigmoid() for logit in candidates.logits(towers))
        of_positive = self._softplus(2 * (1 + g) * positive - (positive - a).square() - s_pos)
        of_negative = self._softplus(2 * (1 + g) * negative + (negative - b).square() - s_neg)
        chosen = candidates.negative & candidates.counts[:, None]
        value = -s_pos - candidates.mean(of_positive) / self.alpha + s_neg + batch.mean(of_negative, chosen) / self.beta
        return value - g.square() - t_b * (b - 1 - g) + t_a * (a + g)

    @torch.no_grad()
    def after_step(self, backbone: Backbone) -> None:
        """Hold the auxiliary variables to their ranges."""
        for name, (_, low, high) in AUXILIARY.items():
            self.auxiliary[name].clamp_(low, high)

    def _variable(self, name: str) -> Tensor:
        """Return an auxiliary variable, with its gradient turned round if the value is to rise."""
        variable: Tensor = self.auxiliary[name]
        return 2 * variable.detach() - variable if name in ASCENDING else variable

    def _softplus(self, value: Tensor) -> Tensor:
        return softplus(self.kappa * value) / self.kappa
