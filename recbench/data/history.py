"""What each user did before each row, for models that read behaviour sequences."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recbench.data.dataset import Log


@dataclass(frozen=True)
class Histories:
    """The items of every user in time order, and for each row of a log where its own past ends.

    Nothing is stored per row but two positions, however long the sequences are that a model reads.
    """

    item: Tensor  # [P] int32: all users' items, one user after the other
    start: Tensor  # [R] int64: where the row's user begins in `item`
    end: Tensor  # [R] int64: where its past ends: items at start … end - 1 came before the row

    @staticmethod
    def by_row(log: Log, before: Log | None = None, chosen: Tensor | None = None) -> Histories:
        """Collect the past of each row of `log` [R], whose rows are in time order, ties by file order.

        `before` are earlier rows of the same users, such as train for a test log. `chosen`, bool [rows of before +
        R], says which rows count as behaviour, such as those with a click; default: all.
        """
        earlier = 0 if before is None else len(before)
        user = log.user.long() if before is None else torch.cat([before.user, log.user]).long()
        item = log.item if before is None else torch.cat([before.item, log.item])
        counts = torch.ones_like(user, dtype=torch.bool) if chosen is None else chosen
        order = torch.argsort(user, stable=True)
        counted = counts[order].long().cumsum(0)
        past = torch.empty_like(counted)
        past[order] = counted - counts[order].long()  # rows that count before each row, over all users in turn
        first = torch.ones_like(user, dtype=torch.bool)
        first[1:] = user[order][1:] != user[order][:-1]
        begins = torch.cummax(torch.where(first, past[order], 0), 0).values
        start = torch.empty_like(past)
        start[order] = begins
        return Histories(item[order][counts[order]], start[earlier:], past[earlier:])

    @staticmethod
    def by_user(log: Log, users: int, chosen: Tensor) -> Histories:
        """Collect all that each user did in `log`; "row" u is then the end of user u's history, 0 to `users` - 1."""
        user = log.user[chosen].long()
        count = torch.bincount(user, minlength=users)
        end = count.cumsum(0)
        return Histories(log.item[chosen][torch.argsort(user, stable=True)], end - count, end)

    def last(self, row: Tensor, length: int) -> Tensor:
        """Return the last `length` items before each of these rows [B], oldest first, -1 before the first: [B, L]."""
        place = self.end[row, None] - torch.arange(length, 0, -1, device=row.device)
        known = place >= self.start[row, None]
        if not len(self.item):
            return torch.full(place.shape, -1, dtype=torch.int32, device=row.device)
        return torch.where(known, self.item[place.clamp(0, len(self.item) - 1)], -1)
