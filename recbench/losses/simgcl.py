"""SimGCL: contrast of two encodings with noise on every layer."""

from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.backbones.building_blocks.views import Noise, Propagation, leave_out_free_vectors
from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.contrast import contrast
from recbench.losses.building_blocks.pairwise import bpr
from recbench.samplers import Triplets
from recbench.settings import Count, NonNegative, Positive


@LOSSES.add("simgcl")
class SimGCL(Loss):
    """BPR plus `weight` times InfoNCE between two encodings with noise of length `noise` on every layer.

    Yu et al., SIGIR 2022, https://arxiv.org/abs/2112.08679: -log softmax of cosines over `temperature`, among the
    distinct users of a batch, and again among its positive items; means of both are added. The free vectors are no part
    of any encoding, of that for scores neither, unless `free_vectors`. Three propagations a step. `weight` is 0.5 on
    Yelp2018 and 2 on Amazon-Book in the paper; small, dense data ask for far less (on ml-100k 0.02 passes BPR, and 0.5
    is far behind it after 5,000 steps). Here `backbone.l2` is on the free vectors; the authors' code (SELFRec)
    penalises the norms of the propagated ones of users and positives: `backbone.l2_of=vectors backbone.l2_form=norms
    backbone.l2_slots=first`, with their `backbone.l2=1e-4`.
    """

    needs = frozenset({"positive first", "negatives", "graph views", "layers"})
    searched = ("weight=0.01..1", "noise=0.02..0.5")
    weight: Tensor
    temperature: Tensor

    def __init__(
        self,
        info: Info,
        *,
        weight: NonNegative = 0.5,
        noise: NonNegative = 0.1,
        temperature: Positive = 0.2,
        free_vectors: bool = False,
        negatives: Count = 1,
    ) -> None:
        super().__init__(info, Triplets(negatives))
        self.free_vectors = free_vectors
        self.register_numbers(weight=weight, temperature=temperature)
        self.ask_for(Propagation(), Noise(noise), Noise(noise))

    def prepare(self, backbone: Backbone) -> None:
        """Say which layers count."""
        if not self.free_vectors:
            leave_out_free_vectors(backbone)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean of BPR over pairs plus the weighed contrast."""
        _, one, other = towers.views
        return bpr(towers, batch) + self.weight * contrast(one, other, batch, self.temperature)
