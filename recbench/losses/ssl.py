"""SSL: sampled softmax, and contrast of two views of an item by halves of its features."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from recbench.backbones.building_blocks.feature_views import ComplementaryMask, FeatureMask
from recbench.data.dataset import Dataset
from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.contrast import info_nce
from recbench.losses.softmax import Softmax
from recbench.settings import Count, NonNegative, Positive, Share


@LOSSES.add("ssl")
class SSL(Softmax):
    """`softmax` with in-batch negatives plus `weight` times InfoNCE between two views of items by halves of features.

    Yao et al., CIKM 2021, https://arxiv.org/abs/2007.12865. Each step draws `items` items uniformly, so that rare ones
    count as frequent ones do, and a set of features: one view masks these, the other all others. The set is half of the
    features, drawn at random, or (`correlated`) one feature and the half of them that share most mutual information
    with it. Then each value that is left of a feature with several is dropped with probability `drop`. The term is the
    mean over items x of -log(exp(c_xx) / sum over the drawn items y of exp(c_xy)), where c_xy is the cosine of x in the
    one view and y in the other, over `temperature`. No code was released: `drop`, `weight` and `temperature` are those
    of SELFRec, which drops numbers of id vectors. An id counts as a feature; where items have no other, it is refused.
    """

    needs = frozenset({"negatives", "feature views"})
    searched = ("weight=0.01..1", "temperature=0.03..0.5")
    weight: Tensor
    temperature: Tensor

    def __init__(
        self,
        info: Info,
        *,
        mask: Literal["correlated", "random"] = "correlated",
        drop: Share = 0.1,
        weight: NonNegative = 0.1,
        temperature: Positive = 0.07,
        items: Count = 1024,
        correct: bool = True,
    ) -> None:
        super().__init__(info, source="batch", correct=correct)
        self.register_numbers(weight=weight, temperature=temperature)
        self.feature_mask = FeatureMask(items, mask, drop)
        self.ask_for(self.feature_mask, ComplementaryMask(self.feature_mask))

    def setup(self, data: Dataset) -> None:
        """Find what the features of the items have to do with each other."""
        self.feature_mask.setup(data)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the sampled softmax plus the weighed contrast."""
        one, other = (normalize(view.item[:, 0], dim=-1) for view in towers.views)
        own = torch.arange(len(one), device=one.device)
        contrast = info_nce(one / self.temperature, other, own, torch.ones_like(own, dtype=torch.bool)) / len(one)
        return super().forward(towers, batch) + self.weight * contrast
