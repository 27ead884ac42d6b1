"""Two vectors of each item: what goes with it, and what it goes with."""

from __future__ import annotations

from torch import Tensor

from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.free_vectors import free_vectors
from recbench.backbones.building_blocks.last_items import LastItemsBackbone, mean_of
from recbench.batch import Towers
from recbench.data.dataset import Dataset
from recbench.gpu import rows_at
from recbench.settings import Count, Positive


@BACKBONES.add("dual")
class DualEmbeddings(LastItemsBackbone):
    """Dual embeddings for complementary items: c_i for item i as context, t_j for item j as target.

    Kvernadze et al., ICKG 2022, https://arxiv.org/abs/2211.14982. How well j complements i is <c_i, t_j>, which differs
    from <c_j, t_i>. A user's vector is the mean c of the last `length` items (of a training row, those before it), so
    that the score of item j is the mean of <c_i, t_j>; without any item it is 0. The paper trains pairs of items bought
    together by skip-gram with negative sampling. `length=1` with `gbce`, calibration=0 and `--sampler popularity` does
    so for pairs of items that follow each other; a greater `length` predicts from several items at once, as CBOW does.
    The paper's synthetic pairs for items without purchases are not here. With `shared=true` both vectors are one, which
    finds similar items instead.
    """

    def __init__(
        self,
        data: Dataset,
        towers: int,
        cosine: bool,
        *,
        dim: Count = 64,
        length: Count = 5,
        shared: bool = False,
        std: Positive = 0.1,
    ) -> None:
        super().__init__(data, towers, cosine, length)
        self.target_table = free_vectors(data.items, towers * dim, std)
        self.context_table = self.target_table if shared else free_vectors(data.items, towers * dim, std)

    def towers_of(self, history: Tensor, item: Tensor) -> Towers:
        """Return the mean context vectors of history [B, L] and the target vectors of item [B, N], as towers."""
        shape = (self.towers, -1)
        of_user, of_item = mean_of(self.context_table, history), rows_at(self.target_table, item)
        return Towers(of_user.unflatten(-1, shape), of_item.unflatten(-1, shape))
