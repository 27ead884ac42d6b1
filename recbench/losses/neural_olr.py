"""Neural ordinal logistic regression."""

from __future__ import annotations

from typing import ClassVar

from recbench.data.dataset import Info
from recbench.losses.base import LOSSES
from recbench.losses.building_blocks.ordinal import OrdinalLoss


@LOSSES.add("neural-olr")
class NeuralOLR(OrdinalLoss):
    """Neural ordinal logistic regression: one tower for all feedback, P(level >= c) = sigmoid(scale * cos - a_c).

    GNOLR (KDD 2025), section 3.2.1, after Cheng et al., IJCNN 2008. Its scores differ by constants, so that every
    feedback is ranked alike. The paper gives it a wider tower, layers 256-128-64, to even out the parameters.
    """

    nested: ClassVar[bool] = False

    def __init__(self, info: Info, *, floor: float = 1e-4) -> None:
        super().__init__(info, floor=floor)
        self.towers = 1
