"""Bayesian personalised ranking with adaptive oversampling."""

from recbench.losses import LOSSES, Info
from recbench.losses.bpr import BPR
from recbench.samplers import AdaptiveRank, Triplets
from recbench.settings import Count, Positive


@LOSSES.add("aobpr")
class AOBPR(BPR):
    """BPR whose negatives are drawn from high ranks of a factor that matters to the user.

    Rendle & Freudenthaler, WSDM 2014, https://doi.org/10.1145/2556195.2556248. A rank r has p(r) ∝ exp(-r / lambda)
    with lambda = `share` times the number of items; the paper tunes lambda for each dataset, 0.05 is our default. The
    orders of the items are renewed at the start of each epoch. Positives are never drawn.
    """

    fixed_sampler = True
    searched = ("share=0.01..0.3",)

    def __init__(self, info: Info, *, negatives: Count = 1, share: Positive = 0.05) -> None:
        super().__init__(info, negatives=negatives)
        self.sampler = Triplets(negatives, AdaptiveRank(share))
