"""Cosine contrastive loss."""

import torch
from torch import Tensor

from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.slots import Slots
from recbench.samplers import Triplets
from recbench.settings import Count, NonNegative


@LOSSES.add("ccl")
class CCL(Loss):
    """Cosine contrastive loss: (1 - s_ui)_+ + weight * mean over negatives j of (s_uj - margin)_+, s a cosine.

    Mao et al., CIKM 2021 (SimpleX), equation 1, https://arxiv.org/abs/2109.12613. The paper has 100 to 2000 negatives,
    a margin of 0 to 1 and weights of 1 to 1000; on LightGCN's Gowalla 800, 0.9 and 150. Its negatives are all items,
    here a user's positives are none. `--sampler shared` draws one pool for all users of a batch, which is far cheaper.
    """

    needs = frozenset({"negatives"})
    cosine = True
    margin: Tensor
    weight: Tensor

    def __init__(self, info: Info, *, margin: float = 0.9, weight: NonNegative = 150.0, negatives: Count = 100) -> None:
        super().__init__(info, Triplets(negatives))
        self.register_buffer("margin", torch.tensor(margin), persistent=False)
        self.register_buffer("weight", torch.tensor(weight), persistent=False)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives."""
        logit, slots = towers.logit[..., 0], Slots.of(batch)
        of_positive = (1 - slots.at_positive(logit)).relu()
        return slots.mean(of_positive + self.weight * slots.mean_at_negatives((logit - self.margin).relu()))
