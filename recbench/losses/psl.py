"""Pairwise softmax loss."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from recbench.losses import LOSSES, Batch, Info, Logit, Towers
from recbench.losses.building_blocks.sampled_softmax import SampledSoftmaxLoss, Slates, Source
from recbench.settings import Count, Positive

Activation = Literal["tanh", "atan", "relu", "exp"]


@LOSSES.add("psl")
class PSL(SampledSoftmaxLoss):
    """Pairwise softmax loss: log sum_j f(s_uj - s_ui)^(1 / temperature), f(d) one of tanh(d) + 1, atan(d) + 1, d + 1.

    Yang et al., NeurIPS 2024, https://arxiv.org/abs/2411.00163. s is half the cosine, so that d lies in [-1, 1]
    where f is positive; the released code has the whole cosine (`loss.scale=1`), for which f is held above the
    machine epsilon. The best temperatures are 0.025 to 0.1, half those of the softmax loss, which `activation=exp` is:
    SL with temperature 2 * `temperature`.
    """

    cosine = True
    logit = Logit("fixed", scale=0.5)
    temperature: Tensor

    def __init__(
        self,
        info: Info,
        *,
        activation: Activation = "tanh",
        temperature: Positive = 0.05,
        source: Source = "pool",
        negatives: Count = 1024,
        mask_positives: bool = True,
    ) -> None:
        super().__init__(info, source, negatives, mask_positives)
        self.activation: Activation = activation
        self.register_numbers(temperature=temperature)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives."""
        candidates = Slates.of(batch)
        positive, negatives = candidates.logits(towers)
        surrogate = log_surrogate(negatives - positive[:, None], self.activation) / self.temperature
        return candidates.mean(candidates.masked(surrogate).logsumexp(1))


def log_surrogate(gap: Tensor, activation: Activation) -> Tensor:
    """Return log f(gap), with f held above the machine epsilon; with `exp`, f is that."""
    if activation == "exp":
        return gap
    if activation == "tanh":
        return math.log(2) + logsigmoid(2 * gap)  # 1 + tanh(d) = 2 sigmoid(2 d)
    value = gap if activation == "relu" else torch.atan(gap)
    return (1 + value).clamp(min=torch.finfo(gap.dtype).eps).log()
