"""A user tower over the items that the user has had."""

from __future__ import annotations

from torch import Tensor, nn

from recbench.backbones.base import BACKBONES
from recbench.backbones.building_blocks.free_vectors import free_vectors
from recbench.backbones.building_blocks.last_items import LastItemsBackbone, mean_of
from recbench.batch import Towers
from recbench.data.dataset import Dataset
from recbench.gpu import rows_at
from recbench.settings import Count, Positive


@BACKBONES.add("ytdnn")
class YouTubeDNN(LastItemsBackbone):
    """One dense layer over the mean vector of the user's last items; no user ids, so that new users have vectors too.

    Covington et al., RecSys 2016, https://doi.org/10.1145/2959100.2959190, as in CROLoss (Tang et al., CIKM 2022,
    section 4.1, https://arxiv.org/abs/2208.02971): history and target share one table of items, and `length` is 20
    or 50. A history holds positives only, and of training rows what comes before them in the order of the log: by
    time, or, where the data have none, as the file has it. An item unseen in training does not count. Without a
    history the mean is zero. The paper takes no user's first four items as targets; here every positive is one.
    """

    def __init__(
        self, data: Dataset, towers: int, cosine: bool, *, dim: Count = 64, length: Count = 20, std: Positive = 0.1
    ) -> None:
        super().__init__(data, towers, cosine, length)
        self.item_table = free_vectors(data.items, towers * dim, std)
        self.dense = nn.Linear(towers * dim, towers * dim)

    def towers_of(self, history: Tensor, item: Tensor) -> Towers:
        """Return the towers of users with history [B, L], and item [B, N]."""
        shape = (self.towers, -1)
        of_user, of_item = self.dense(mean_of(self.item_table, history)), rows_at(self.item_table, item)
        return Towers(of_user.unflatten(-1, shape), of_item.unflatten(-1, shape))
