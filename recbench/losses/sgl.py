"""SGL: contrast of two encodings over graphs from which some is dropped."""

from typing import Literal

from torch import Tensor

from recbench.backbones.building_blocks.views import Dropped, Propagation
from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.contrast import contrast, contrast_with_all
from recbench.losses.building_blocks.pairwise import bpr
from recbench.samplers import Triplets
from recbench.settings import Count, NonNegative, Positive, Share


@LOSSES.add("sgl")
class SGL(Loss):
    """BPR plus `weight` times InfoNCE between the encodings over two graphs without a share of their edges or nodes.

    Wu et al., SIGIR 2021, https://arxiv.org/abs/2010.10783. Two graphs are drawn for each epoch:
    without a share `drop` of the edges, of the nodes, or (`walk`) of other edges on each layer. Each user of the batch
    in the one encoding is told from all users in the other, each positive item from all items; with `against=batch`
    from the distinct ones of the batch, as in SELFRec, which is several times as fast. The paper sums both parts over
    the batch, here both are means, so that its `weight` is the same. Three propagations a step.
    """

    needs = frozenset({"positive first", "negatives", "graph views"})
    searched = ("weight=0.01..1", "temperature=0.05..0.5")
    weight: Tensor
    temperature: Tensor

    def __init__(
        self,
        info: Info,
        *,
        augment: Literal["edges", "nodes", "walk"] = "edges",
        drop: Share = 0.1,
        weight: NonNegative = 0.1,
        temperature: Positive = 0.2,
        against: Literal["all", "batch"] = "all",
        negatives: Count = 1,
    ) -> None:
        super().__init__(info, Triplets(negatives))
        self.contrast = contrast_with_all if against == "all" else contrast
        self.register_numbers(weight=weight, temperature=temperature)
        self.ask_for(Propagation(), Dropped(drop, augment), Dropped(drop, augment))

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean of BPR over pairs plus the weighed contrast."""
        _, one, other = towers.views
        return bpr(towers, batch) + self.weight * self.contrast(one, other, batch, self.temperature)
