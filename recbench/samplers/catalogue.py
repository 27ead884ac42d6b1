"""The whole catalogue as one slate, a row per user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from recbench.batch import Batch, Pairs
from recbench.data.dataset import Dataset
from recbench.errors import TrainingError
from recbench.samplers.base import SAMPLERS, Sampler, shuffled


@SAMPLERS.add("catalogue")
@dataclass(frozen=True, kw_only=True)
class Catalogue(Sampler):
    """All items that occur in train as one slate for all users, each user with all of his positives.

    Liang et al., WWW 2018, https://arxiv.org/abs/1802.05814. Batches are of equally many users, of as many as have
    about `train.batch_size` positives on average. Labels are index pairs, never a matrix of users and items.
    """

    @property
    def gives(self) -> frozenset[str]:
        """All items, and a user's feedback as pairs."""
        return frozenset({"catalogue"})

    def batches(self, data: Dataset, size: int, generator: torch.Generator) -> Iterator[Batch]:
        """Yield every user who has a positive once per epoch: item [1, I], pairs of about `size` positives."""
        positives, labels = data.positives, data.positive_labels
        count = positives.start.diff()
        users = count.nonzero()[:, 0]
        if not len(users):
            raise TrainingError(f"{data.name}: no training row has feedback {', '.join(data.feedback)}")
        order = users[shuffled(len(users), data.train, generator)]
        order = order.split(max(1, round(size * len(users) / len(positives.item))))
        pairs = torch.stack([count[chosen].sum() for chosen in order]).tolist()  # the only wait for the device
        catalogue = torch.arange(data.items.seen, device=users.device)[None]
        for chosen, total in zip(order, pairs, strict=True):
            own = count[chosen]
            start = torch.cat([own.new_zeros(1), own.cumsum(0)])
            shift = torch.repeat_interleave(positives.start[chosen] - start[:-1], own, output_size=total)
            place = shift + torch.arange(total, device=users.device)
            found = Pairs(start, positives.item[place], labels[place].float())
            nothing = found.label.new_empty(len(chosen), 0, found.label.shape[1])
            yield Batch(chosen, catalogue, nothing, rows=total, pairs=found)

    def rows(self, data: Dataset) -> int:
        """Return the number of distinct positives."""
        return len(data.positives.item)
