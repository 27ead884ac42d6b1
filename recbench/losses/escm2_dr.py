"""ESCM2, doubly robust."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.multitask import AtLeastOne, MultitaskLoss, StepWeight, inverse_propensity
from recbench.losses.building_blocks.per_task import means
from recbench.settings import NonNegative


@LOSSES.add("escm2-dr")
class ESCM2DR(MultitaskLoss):
    """ESMM plus doubly robust errors of the steps: a further tower per step predicts its cross-entropy on every row.

    Wang et al., SIGIR 2022, https://arxiv.org/abs/2204.05125; on the rows that reached the step, the prediction is
    corrected, and fitted, under inverse propensities of at most `largest`. Defaults as in GNOLR (KDD 2025, Table 4),
    whose code bounds the prediction by 1 (`imputation=sigmoid`), though the error is not (`softplus` lifts that), and
    gives a step's positives the weight of the first feedback (`step_weight=first`).
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
        largest: AtLeastOne = 15.0,
        imputation: Literal["sigmoid", "softplus"] = "sigmoid",
        step_weight: StepWeight = "own",
    ) -> None:
        super().__init__(info, pos_weight=pos_weight, towers=2 * info.tasks - 1)
        self.counterfactual, self.entire, self.largest = counterfactual, entire, largest
        self.imputation = imputation
        self.step_weight: StepWeight = step_weight

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over rows of the first feedback's, the products' and the steps' losses."""
        first, steps = self._parts(towers, batch)
        return batch.mean(first + steps.sum(-1))

    def terms(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the first feedback's mean, and that of each step's product and step."""
        first, steps = self._parts(towers, batch)
        return means(torch.cat([first.unsqueeze(-1), steps], -1), batch)

    def _parts(self, towers: Towers, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the first feedback's cross-entropy [B, N], and the losses of steps 2..T [B, N, T - 1]."""
        own, imputed = towers.logit.split([self.info.tasks, self.info.tasks - 1], -1)
        label = batch.label.cumprod(-1)
        log_p = self.score(own)
        products = self.entire_space(log_p, label)
        predicted = imputed.sigmoid() if self.imputation == "sigmoid" else softplus(imputed)
        gap = self.step_entropies(own[..., 1:], label[..., 1:], self.step_weight) - predicted
        inverse = inverse_propensity(log_p[..., :-1], label[..., :-1], self.largest)
        robust = predicted + inverse * (gap + gap.square())
        return products[..., 0], self.entire * products[..., 1:] + self.counterfactual * robust

    def base_rates(self) -> Tensor:
        """Return the rates of the chain, and one half for the predicted errors."""
        return torch.cat([super().base_rates(), torch.full((self.info.tasks - 1,), 0.5)])
