"""Cosine contrastive loss."""

from torch import Tensor

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.sampled_softmax import SampledSoftmaxLoss, Slates, Source
from recbench.settings import Count, NonNegative


@LOSSES.add("ccl")
class CCL(SampledSoftmaxLoss):
    """Cosine contrastive loss: (1 - s_ui)_+ + weight * mean over negatives j of (s_uj - margin)_+, s a cosine.

    Mao et al., CIKM 2021 (SimpleX), https://arxiv.org/abs/2109.12613. The paper draws negatives for each
    positive of its `own`, from all items (`mask_positives=false`); a `pool` that the batch shares is far cheaper. On
    LightGCN's Gowalla it has 800 of them, margin 0.9 and weight 150; on other data weights of 10 to 300.
    """

    cosine = True
    searched = ("margin=0.3..0.95", "weight=5..500")
    margin: Tensor
    weight: Tensor

    def __init__(
        self,
        info: Info,
        *,
        margin: float = 0.9,
        weight: NonNegative = 150.0,
        source: Source = "pool",
        negatives: Count = 1024,
        mask_positives: bool = True,
    ) -> None:
        super().__init__(info, source, negatives, mask_positives)
        self.register_numbers(margin=margin, weight=weight)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives."""
        slates = Slates.of(batch)
        positive, negatives = slates.logits(towers)
        return slates.mean(
            (1 - positive).relu() + self.weight * slates.mean_of_negatives((negatives - self.margin).relu())
        )
