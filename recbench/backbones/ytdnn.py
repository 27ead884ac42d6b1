"""A user tower over the items that the user has had."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from recbench.backbones.base import BACKBONES, Backbone
from recbench.backbones.building_blocks.free_vectors import free_vectors
from recbench.backbones.building_blocks.pooling import pooled
from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Log
from recbench.data.history import Histories
from recbench.errors import UsageError
from recbench.gpu import rows_at
from recbench.settings import Count


@BACKBONES.add("ytdnn")
class YouTubeDNN(Backbone):
    """One dense layer over the mean vector of the user's last items; no user ids, so that new users are as good.

    Covington et al., RecSys 2016, https://doi.org/10.1145/2959100.2959190, as in CROLoss (Tang et al., CIKM 2022,
    section 4.1, https://arxiv.org/abs/2208.02971): history and target share one table of items, and `length` is 20
    or 50. A history holds positives only, and of training rows what comes before them in the order of the log: by
    time, or, where the data have none, as the file has it. An item unseen in training does not count. Without a
    history the mean is zero. The paper takes no user's first four items as targets; here every positive is one.
    """

    offers: ClassVar[frozenset[str]] = Backbone.offers | {"new users"}
    needs: ClassVar[frozenset[str]] = frozenset({"row"})

    def __init__(
        self, data: Dataset, towers: int, cosine: bool, *, dim: Count = 64, length: Count = 20, std: float = 0.1
    ) -> None:
        super().__init__(data, towers, cosine)
        self.length = length
        self.seen = data.items.seen
        self.item_table = free_vectors(data.items, towers * dim, std)
        self.dense = nn.Linear(towers * dim, towers * dim)
        self.past = Histories.by_row(data.train, chosen=self._counts(data.train))
        self.in_train = self.histories(data.train)

    def histories(self, log: Log) -> Histories:
        """Return what each user had in these rows."""
        return Histories.by_user(log, self.users, self._counts(log))

    def forward(self, user: Tensor, item: Tensor, known: Histories | None = None) -> Towers:
        """Return the towers of user [B], by all that is known of them, and item [B, N]."""
        return self.normalised(self._towers((known or self.in_train).last(user, self.length), item))

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B], by what they had in train, and item [B, N]; not normalised."""
        return self._towers(self.in_train.last(user, self.length), item)

    def encode(self, batch: Batch) -> Towers:
        """Return the towers of a batch whose histories end before its rows; raises UsageError if it has none."""
        if batch.row is None:
            raise UsageError("backbone `ytdnn`: the batches have no `row`, whatever their sampler says that it gives")
        return self.normalised(self._towers(self.past.last(batch.row, self.length), batch.item))

    def _counts(self, log: Log) -> Tensor:
        return (log.label.amax(1) > 0) & (log.item < self.seen)

    def _towers(self, history: Tensor, item: Tensor) -> Towers:
        known = history >= 0
        weight = known / known.sum(1, keepdim=True).clamp(min=1)
        mean = pooled(self.item_table, history.clamp(min=0).long(), weight.to(self.item_table))
        shape = (self.towers, -1)
        of_item = rows_at(self.item_table, item)
        return Towers(self.dense(mean).unflatten(-1, shape), of_item.unflatten(-1, shape))
