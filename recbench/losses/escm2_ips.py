"""ESCM2 with inverse propensity scores."""

import torch
from torch import Tensor

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.multitask import AtLeastOne, MultitaskLoss, StepWeight, inverse_propensity
from recbench.losses.building_blocks.per_task import means
from recbench.settings import NonNegative


@LOSSES.add("escm2-ips")
class ESCM2IPS(MultitaskLoss):
    """ESMM plus the cross-entropy of each step, on the rows that reached it, weighted by inverse propensity.

    Wang et al., SIGIR 2022, https://arxiv.org/abs/2204.05125. The propensity is the model's own probability of the
    feedback before, without gradient; its inverse is at most `largest`. Term weights as in GNOLR (KDD 2025, Table 4),
    whose code also gives a step's positives the weight of the first feedback (`step_weight=first`).
    """

    chain = True

    searched = ("pos_weight=1..20", "counterfactual=0.1..2")

    def __init__(
        self,
        info: Info,
        *,
        pos_weight: str = "1",
        counterfactual: NonNegative = 0.5,
        entire: NonNegative = 1.0,
        largest: AtLeastOne = 1e6,
        step_weight: StepWeight = "own",
    ) -> None:
        super().__init__(info, pos_weight=pos_weight)
        self.counterfactual, self.entire, self.largest = counterfactual, entire, largest
        self.step_weight: StepWeight = step_weight

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over rows of the first feedback's, the products' and the steps' cross-entropies."""
        first, steps = self._parts(towers, batch)
        return batch.mean(first + steps.sum(-1))

    def terms(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the first feedback's mean, and that of each step's product and step."""
        first, steps = self._parts(towers, batch)
        return means(torch.cat([first.unsqueeze(-1), steps], -1), batch)

    def _parts(self, towers: Towers, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the first feedback's cross-entropy [B, N], and those of the products and steps 2..T [B, N, T - 1]."""
        label = batch.label.cumprod(-1)
        log_p = self.score(towers.logit)
        products = self.entire_space(log_p, label)
        error = self.step_entropies(towers.logit[..., 1:], label[..., 1:], self.step_weight)
        inverse = inverse_propensity(log_p[..., :-1], label[..., :-1], self.largest)
        return products[..., 0], self.entire * products[..., 1:] + self.counterfactual * inverse * error
