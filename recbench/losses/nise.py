"""Non-click samples improved semi-supervised estimation."""

from typing import Annotated

import torch
from torch import Tensor

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.multitask import MultitaskLoss, StepWeight
from recbench.losses.building_blocks.per_task import means
from recbench.settings import NonNegative, OnlyWith

Largest = Annotated[NonNegative, OnlyWith("dynamic=true", lambda given: bool(given["dynamic"]))]


@LOSSES.add("nise")
class NISE(MultitaskLoss):
    """Semi-supervised steps: labels where a step was reached, the model's own prediction as label elsewhere.

    Huang et al., RecSys 2024, https://doi.org/10.1145/3640457.3688151. Gradients pass through the pseudo-label too, as
    in GNOLR (KDD 2025, Table 4): held fixed, the term would have none. `dynamic` scales the steps by the ratio of the
    first feedback's loss to theirs, at most `largest`; that code has it switched off, and `step_weight=first`.
    """

    chain = True

    def __init__(
        self,
        info: Info,
        *,
        pos_weight: str = "1",
        dynamic: bool = False,
        largest: Largest = 50.0,
        step_weight: StepWeight = "own",
    ) -> None:
        super().__init__(info, pos_weight=pos_weight)
        self.dynamic, self.largest = dynamic, largest
        self.step_weight: StepWeight = step_weight

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the first feedback plus that of the steps, each over all rows."""
        first, rows = self._parts(towers, batch)
        steps = batch.mean(rows.sum(-1))
        return first + (steps * self._ratio(first, steps) if self.dynamic else steps)

    def terms(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the first feedback, and of each step."""
        first, rows = self._parts(towers, batch)
        steps = means(rows, batch)
        return torch.cat([first[None], steps * self._ratio(first, steps.sum()) if self.dynamic else steps])

    def _ratio(self, first: Tensor, steps: Tensor) -> Tensor:
        return (first / (steps + 1e-6)).detach().clamp(max=self.largest)

    def _parts(self, towers: Towers, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the mean cross-entropy of the first feedback, and those of the steps on every row [B, N, T - 1]."""
        label = batch.label.cumprod(-1)
        step, reached = towers.logit[..., 1:], label[..., :-1]
        labelled = self.step_entropies(step, label[..., 1:], self.step_weight)
        unlabelled = self.step_entropies(step, step.sigmoid(), self.step_weight)
        first = batch.mean(self.entire_space(self.score(towers.logit), label)[..., 0])
        return first, reached * labelled + (1 - reached) * unlabelled
