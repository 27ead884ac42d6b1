"""SelfCF with targets one hop ahead on a pruned graph."""

from torch import Tensor

from recbench.backbones.building_blocks.views import HopAhead, Propagation
from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.selfcf import SelfCF
from recbench.settings import Share


@LOSSES.add("selfcf-ep")
class SelfCFEP(SelfCF):
    """SelfCF, edge pruning: targets are one more propagation of the vectors, with a share `drop` of the graph dropped.

    Zhou et al., TORS 2023, https://arxiv.org/abs/2107.03019: -(cos(q(u), i') + cos(q(i), u')) / 2 with a
    linear predictor q and no negatives. What is left of the graph is scaled by 1 / (1 - drop) and keeps its degrees.
    """

    needs = SelfCF.needs | {"graph views"}
    searched = ("drop=0.05..0.8",)

    def __init__(self, info: Info, *, drop: Share = 0.1) -> None:
        super().__init__(info)
        self.ask_for(Propagation(), HopAhead(drop))

    def targets(self, user: Tensor, item: Tensor, towers: Towers, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the vectors one hop ahead."""
        ahead = towers.views[1]
        return ahead.user[batch.user, 0], ahead.item[batch.item[:, 0], 0]
