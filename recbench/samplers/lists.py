"""All rows of a user as one list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.gpu import as_on_gpu
from recbench.samplers.base import SAMPLERS, Sampler, shuffled
from recbench.settings import Count


@SAMPLERS.add("lists")
@dataclass(frozen=True, kw_only=True)
class Lists(Sampler):
    """All logged rows of a user as one padded list; beyond `longest`, split at random into equal lists."""

    longest: Count = 500

    @property
    def gives(self) -> frozenset[str]:
        """Lists of a user"s rows."""
        return frozenset({"lists"})

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every row once per epoch: item [B, N], lists packed until a batch holds about `size` rows.

        On a GPU they are padded to few widths, so that the steps of many batches are alike.
        """
        log = data.train
        order = shuffled(len(log), log, generator)
        order = order[torch.sort(log.user[order], stable=True).indices]
        count = torch.bincount(log.user, minlength=len(data.users))
        first = count.cumsum(0) - count
        user = log.user[order].long()
        pieces = torch.div(count + self.longest - 1, self.longest, rounding_mode="floor")
        piece = (torch.arange(len(log), device=user.device) - first[user]) % pieces[user]
        most = int(pieces.max())
        by_list = torch.sort(user * most + piece, stable=True)
        order = order[by_list.indices]
        length = torch.unique_consecutive(by_list.values, return_counts=True)[1]
        del user, piece, by_list
        start = length.cumsum(0) - length

        lists = shuffled(len(length), log, generator)
        done = length[lists].cumsum(0)
        batch_number = torch.div(done - 1, size, rounding_mode="floor")
        counts = torch.unique_consecutive(batch_number, return_counts=True)[1]
        ends = done[counts.cumsum(0) - 1]
        rows = torch.cat([ends[:1], ends.diff()]).tolist()
        number = torch.repeat_interleave(torch.arange(len(counts), device=length.device), counts)
        widths = torch.zeros_like(counts).scatter_reduce(0, number, length[lists], "amax").tolist()
        if as_on_gpu(length.device):
            widths = [min(self.longest, few_sizes(width)) for width in widths]
        for chosen, row_count, width in zip(lists.split(counts.tolist()), rows, widths, strict=True):
            place = torch.arange(width, device=length.device)
            mask = place < length[chosen, None]
            row = order[torch.where(mask, start[chosen, None] + place, start[chosen, None])]
            yield Batch(log.user[row[:, 0]].long(), log.item[row].long(), log.label[row].float(), mask, rows=row_count)


def few_sizes(size: int) -> int:
    """Return the smallest of 1, 2, 3, 4, 6, 8, 12, 16, … that is at least `size`: powers of 2 and half as much more."""
    power = 1 << (size - 1).bit_length()
    return power * 3 // 4 if size <= power * 3 // 4 else power
