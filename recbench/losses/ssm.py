"""Softmax over a positive and many sampled negatives."""

from typing import Literal

from torch import Tensor
from torch.nn.functional import softplus

from recbench.losses import LOSSES, Batch, Info, Logit, Towers
from recbench.losses.building_blocks.sampled_softmax import SampledSoftmaxLoss, Slates, Source
from recbench.settings import Count


@LOSSES.add("ssm")
class SSM(SampledSoftmaxLoss):
    """Sampled softmax loss: -log(e^s_ui / (e^s_ui + sum of e^s_uj over sampled negatives j)), s a cosine / temperature.

    Wu et al., TOIS 2024, https://arxiv.org/abs/2201.02327. The temperature is 1 / `loss.scale`; published
    ones are 0.05 to 0.2. `source`: one pool of negatives that all positives of a batch share, which is far cheaper, or
    each its `own`, of which an epoch learns more. `mask_positives`: the user's other training positives are no
    negatives. `denominator=negatives` leaves out e^s_ui (SL of Yang et al., NeurIPS 2024,
    https://arxiv.org/abs/2411.00163): it may fall below 0. `--sampler in-batch` and `mixed` (mixed negative sampling,
    https://doi.org/10.1145/3366424.3386195) say how likely
    a slot holds its item: `correct` subtracts the log of that from `all` logits (Yi et al., RecSys 2019,
    https://doi.org/10.1145/3298689.3346996), from those of `negatives` alone, or from `none`.
    """

    cosine = True
    logit = Logit("fixed", scale=10.0)

    def __init__(
        self,
        info: Info,
        *,
        source: Source = "pool",
        negatives: Count = 1024,
        mask_positives: bool = True,
        denominator: Literal["all", "negatives"] = "all",
        correct: Literal["all", "negatives", "none"] = "all",
    ) -> None:
        super().__init__(info, source, negatives, mask_positives)
        self.denominator, self.correct = denominator, correct

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives."""
        candidates = Slates.of(batch)
        positive, negatives = candidates.logits(towers)
        if self.correct != "none" and "slot probabilities" in self.sampler.gives and batch.log_q is not None:
            of_positive, of_negatives = candidates.split(batch.log_q)
            positive = positive - of_positive if self.correct == "all" else positive
            negatives = negatives - of_negatives
        gap = candidates.masked(negatives).logsumexp(1) - positive
        return candidates.mean(softplus(gap) if self.denominator == "all" else gap)
