"""SelfCF with targets by dropout."""

from torch import Tensor
from torch.nn.functional import dropout

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.selfcf import SelfCF
from recbench.settings import Share


@LOSSES.add("selfcf-ed")
class SelfCFED(SelfCF):
    """SelfCF, embedding dropout: targets are the vectors themselves after dropout of a share `drop` of their numbers.

    Zhou et al., TORS 2023, https://arxiv.org/abs/2107.03019: -(cos(q(u), i') + cos(q(i), u')) / 2 with a
    linear predictor q and no negatives. The authors drop 0.5 with LightGCN and 0.05 with free vectors.
    """

    searched = ("drop=0.05..0.8",)

    def __init__(self, info: Info, *, drop: Share = 0.5) -> None:
        super().__init__(info)
        self.drop = drop

    def targets(self, user: Tensor, item: Tensor, towers: Towers, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the vectors after dropout."""
        return dropout(user, self.drop, self.training), dropout(item, self.drop, self.training)
