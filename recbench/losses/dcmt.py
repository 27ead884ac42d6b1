"""Direct entire-space causal multi-task framework."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.multitask import AtLeastOne, MultitaskLoss, StepWeight, inverse_propensity
from recbench.losses.building_blocks.per_task import means
from recbench.numerics import log1mexp
from recbench.settings import NonNegative


@LOSSES.add("dcmt")
class DCMT(MultitaskLoss):
    """ESMM plus factual and counterfactual errors of the steps: a further tower per step learns from the other rows.

    Zhu et al., ICDE 2023, https://arxiv.org/abs/2302.06141. The counterfactual tower learns the opposite label on the
    rows that did not reach the step; both errors are weighted by inverse propensity, at most `largest`, and divided by
    the rows, or by the sum of their weights (`normalise`). `prior` weighs |1 - p - p'|, which ties the two towers.
    Defaults as in GNOLR (KDD 2025, Table 4), whose code also gives a step's positives, here and there, the weight of
    the first feedback (`step_weight=first`).
    """

    chain = True

    searched = ("pos_weight=1..20", "counterfactual=0.1..2")

    def __init__(
        self,
        info: Info,
        *,
        pos_weight: str = "1",
        counterfactual: NonNegative = 0.5,
        prior: NonNegative = 1e-3,
        normalise: bool = False,
        largest: AtLeastOne = 1e6,
        step_weight: StepWeight = "own",
    ) -> None:
        super().__init__(info, pos_weight=pos_weight, towers=2 * info.tasks - 1)
        self.counterfactual, self.prior, self.normalise, self.largest = counterfactual, prior, normalise, largest
        self.step_weight: StepWeight = step_weight

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over rows of ESMM's cross-entropies, plus the terms of the steps."""
        entire, pairs, prior = self._parts(towers, batch)
        if self.normalise:
            errors = [self._ratios(*pair, batch).sum() for pair in pairs]
        else:
            errors = [batch.mean((weight * error).sum(-1)) for weight, error in pairs]
        steps = errors[0] + errors[1] + self.prior * batch.mean(prior.sum(-1))
        return batch.mean(entire.sum(-1)) + self.counterfactual * steps

    def terms(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean of ESMM's cross-entropy of each feedback, plus the terms of the step to it."""
        entire, pairs, prior = self._parts(towers, batch)
        mean = self._ratios if self.normalise else lambda weight, error, batch: means(weight * error, batch)
        steps = mean(*pairs[0], batch) + mean(*pairs[1], batch) + self.prior * means(prior, batch)
        return means(entire, batch) + self.counterfactual * pad(steps, (1, 0))

    def _parts(self, towers: Towers, batch: Batch) -> tuple[Tensor, list[tuple[Tensor, Tensor]], Tensor]:
        """Return ESMM's cross-entropies [B, N, T], and of the steps [B, N, T - 1] weights and errors, and the prior."""
        own, other = towers.logit.split([self.info.tasks, self.info.tasks - 1], -1)
        label = batch.label.cumprod(-1)
        log_p = self.score(own)
        reached, step = label[..., :-1], own[..., 1:]
        factual = self.step_entropies(step, label[..., 1:], self.step_weight)
        opposite = self.step_entropies(other, 1 - label[..., 1:], self.step_weight)
        factual_weight = inverse_propensity(log_p[..., :-1], reached, self.largest)
        opposite_weight = inverse_propensity(log1mexp(-log_p[..., :-1]), 1 - reached, self.largest)
        prior = (1 - step.sigmoid() - other.sigmoid()).abs()
        return self.entire_space(log_p, label), [(factual_weight, factual), (opposite_weight, opposite)], prior

    def _ratios(self, weight: Tensor, error: Tensor, batch: Batch) -> Tensor:
        steps = zip(weight.unbind(-1), error.unbind(-1), strict=True)
        tiny = torch.finfo(weight.dtype).tiny
        return torch.stack([batch.mean(w * e) / batch.mean(w).clamp(min=tiny) for w, e in steps])

    def base_rates(self) -> Tensor:
        """Return the rates of the chain, and their opposites for the counterfactual steps."""
        rates = super().base_rates()
        return torch.cat([rates, 1 - rates[1:]])
