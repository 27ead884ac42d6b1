"""A positive and popular negatives."""

from __future__ import annotations

from recbench.samplers.base import SAMPLERS
from recbench.samplers.negatives import Exponent, Popularity
from recbench.samplers.triplets import Triplets
from recbench.settings import Count


@SAMPLERS.add(Popularity.sampler)
class PopularTriplets(Triplets):
    """One positive and negatives in proportion to popularity^beta, the number of users who have the item.

    Gantner et al., JMLR W&CP 18, 2012, https://proceedings.mlr.press/v18/gantner12a.html, where beta is 1.
    """

    def __init__(self, *, negatives: Count = 1, beta: Exponent = 1.0) -> None:
        super().__init__(negatives, Popularity(beta))
