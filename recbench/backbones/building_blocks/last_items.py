"""Backbones whose users are the mean vector of the last items that they had."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor

from recbench.backbones.base import Backbone
from recbench.backbones.building_blocks.pooling import pooled
from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Log
from recbench.data.history import Histories
from recbench.errors import UsageError


class LastItemsBackbone(Backbone):
    """A user is what the last `length` items say. Subclasses implement `towers_of`.

    A history holds positives only, and of training rows what comes before them in the order of the log: by time, or,
    where the data have none, as the file has it. An item unseen in training does not count.
    """

    offers: ClassVar[frozenset[str]] = Backbone.offers | {"new users"}
    needs: ClassVar[frozenset[str]] = frozenset({"row"})

    def __init__(self, data: Dataset, towers: int, cosine: bool, length: int) -> None:
        super().__init__(data, towers, cosine)
        self.length = length
        self.seen = data.items.seen
        self.past = Histories.by_row(data.train, chosen=self._counts(data.train))
        self.in_train = self.histories(data.train)

    @abstractmethod
    def towers_of(self, history: Tensor, item: Tensor) -> Towers:
        """Return the towers of users with history [B, L], -1 where there is no item, and item [B, N]."""

    def histories(self, log: Log) -> Histories:
        """Return what each user had in these rows."""
        return Histories.by_user(log, self.users, self._counts(log))

    def forward(self, user: Tensor, item: Tensor, known: Histories | None = None) -> Towers:
        """Return the towers of user [B], by all that is known of them, and item [B, N]."""
        return self.normalised(self.towers_of((known or self.in_train).last(user, self.length), item))

    def embed(self, user: Tensor, item: Tensor) -> Towers:
        """Return the towers of user [B], by what they had in train, and item [B, N]; not normalised."""
        return self.towers_of(self.in_train.last(user, self.length), item)

    def encode(self, batch: Batch) -> Towers:
        """Return the towers of a batch whose histories end before its rows; raises UsageError if it has none."""
        if batch.row is None:
            raise UsageError(
                f"backbone `{self.name}`: the batches have no `row`, whatever their sampler says that it gives"
            )
        return self.normalised(self.towers_of(self.past.last(batch.row, self.length), batch.item))

    def _counts(self, log: Log) -> Tensor:
        return (log.label.amax(1) > 0) & (log.item < self.seen)


def mean_of(table: Tensor, history: Tensor) -> Tensor:
    """Return the mean rows [B, D] of a table at history [B, L], -1 where there is no item; 0 without any."""
    known = history >= 0
    weight = known / known.sum(1, keepdim=True).clamp(min=1)
    return pooled(table, history.clamp(min=0).long(), weight.to(table))
