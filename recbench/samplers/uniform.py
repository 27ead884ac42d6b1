"""A positive and uniform negatives."""

from __future__ import annotations

from recbench.samplers.base import SAMPLERS
from recbench.samplers.negatives import Uniform
from recbench.samplers.triplets import Triplets
from recbench.settings import Count


@SAMPLERS.add(Uniform.sampler)
class UniformTriplets(Triplets):
    """One positive and uniform negatives that are not training positives of the user.

    Rendle et al., UAI 2009, https://arxiv.org/abs/1205.2618.
    """

    def __init__(self, *, negatives: Count = 1) -> None:
        super().__init__(negatives)
