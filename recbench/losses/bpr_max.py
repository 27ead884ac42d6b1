"""BPR against the negatives that score highest."""

from typing import Annotated, Literal

from torch import Tensor
from torch.nn.functional import elu, logsigmoid

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.sampled_softmax import SampledSoftmaxLoss, Slates, Source
from recbench.settings import Count, NonNegative, OnlyWith

EluScale = Annotated[NonNegative, OnlyWith("activation=elu", lambda given: given["activation"] == "elu")]


@LOSSES.add("bpr-max")
class BPRMax(SampledSoftmaxLoss):
    """-log sum_j w_j sigmoid(s_ui - s_uj) + `penalty` * sum_j w_j s_uj^2, w the softmax of s_uj over the negatives j.

    Hidasi & Karatzoglou, CIKM 2018, https://arxiv.org/abs/1706.03847 (GRU4Rec). There the
    negatives are the other positives of the batch and popular items, for which see `--sampler in-batch` and `mixed`.
    `activation=elu` passes the scores through ELU with `elu_scale` first, as its released settings do; gradients go
    through the weights.
    """

    penalty: Tensor

    searched = ("penalty=0.1..10",)

    def __init__(
        self,
        info: Info,
        *,
        penalty: NonNegative = 1.0,
        activation: Literal["linear", "elu"] = "linear",
        elu_scale: EluScale = 0.5,
        source: Source = "pool",
        negatives: Count = 1024,
        mask_positives: bool = True,
    ) -> None:
        super().__init__(info, source, negatives, mask_positives)
        self.activation, self.elu_scale = activation, elu_scale
        self.register_numbers(penalty=penalty)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives."""
        candidates = Slates.of(batch)
        positive, negative = candidates.logits(towers)
        if self.activation == "elu":
            positive, negative = elu(positive, self.elu_scale), elu(negative, self.elu_scale)
        log_weight = candidates.masked(negative).log_softmax(1)
        gain = (log_weight + logsigmoid(positive[:, None] - negative)).logsumexp(1)
        square = (log_weight.exp() * negative.square()).sum(1)
        return candidates.mean(self.penalty * square - gain)
