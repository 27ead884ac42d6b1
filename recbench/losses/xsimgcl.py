"""XSimGCL: one encoding with noise is both ranked by and contrasted with one of its layers."""

from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.backbones.building_blocks.views import Noise, leave_out_free_vectors
from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.contrast import contrast
from recbench.losses.building_blocks.pairwise import bpr
from recbench.samplers import Triplets
from recbench.settings import Count, NonNegative, Positive


@LOSSES.add("xsimgcl")
class XSimGCL(Loss):
    """BPR on an encoding with noise of length `noise` on every layer, plus `weight` times InfoNCE with its `layer`.

    Yu et al., TKDE 2023, https://arxiv.org/abs/2209.02544: as `simgcl`, but one propagation a step serves
    both, and the positive pairs are the final vector and that of layer l* of the same user or item. A layer
    that the backbone does not have counts as its last. Scores have no noise. The penalty of the authors' code is that
    which `simgcl` names.
    """

    needs = frozenset({"positive first", "negatives", "graph views", "layers"})
    searched = ("weight=0.01..1", "noise=0.02..0.5")
    weight: Tensor
    temperature: Tensor

    def __init__(
        self,
        info: Info,
        *,
        weight: NonNegative = 0.2,
        noise: NonNegative = 0.2,
        temperature: Positive = 0.15,
        layer: Count = 1,
        free_vectors: bool = False,
        negatives: Count = 1,
    ) -> None:
        super().__init__(info, Triplets(negatives))
        self.layer, self.free_vectors = layer, free_vectors
        self.register_numbers(weight=weight, temperature=temperature)
        self.ask_for(Noise(noise))

    def prepare(self, backbone: Backbone) -> None:
        """Say which layers count."""
        if not self.free_vectors:
            leave_out_free_vectors(backbone)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean of BPR over pairs plus the weighed contrast."""
        (final,) = towers.views
        layer = final.layer(min(self.layer, len(final.layers) - 1))
        return bpr(towers, batch) + self.weight * contrast(final, layer, batch, self.temperature)
