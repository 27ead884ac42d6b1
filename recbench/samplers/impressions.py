"""A positive and what the user was shown and did not take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from recbench.data.dataset import Dataset, Positives
from recbench.errors import TrainingError
from recbench.samplers.base import SAMPLERS
from recbench.samplers.negatives import Negatives, Proposal, UniformNegatives, count_up_to, random_below
from recbench.samplers.triplets import Triplets
from recbench.settings import Count, Fraction


@dataclass(frozen=True)
class Impressions(Proposal):
    """Items on train rows of the user without any feedback, and with probability 1 - share uniform ones.

    An item that is a positive of the user on another row is none. Users without such rows get uniform negatives alone.
    """

    sampler: ClassVar[str] = "impressions"
    share: float = 1.0

    def on(self, data: Dataset) -> Negatives:
        """Return what draws from the rows without feedback; raises TrainingError where there are none."""
        return ImpressionNegatives(data, self.share)


class ImpressionNegatives(Negatives):
    """Draws from each user's distinct impressions, and from all items that are no positives of the user."""

    def __init__(self, data: Dataset, share: float) -> None:
        log, width = data.train, len(data.items)
        shown = log.label.amax(1) == 0
        key = log.user[shown].long() * width + log.item[shown].long()
        positive = data.positives.user * width + data.positives.item
        key = key[~torch.isin(key, positive)]
        if not len(key):
            raise TrainingError(
                f"{data.name}: every train row has feedback ({', '.join(data.feedback)}), so that nothing says what "
                "users were shown and did not take; draw negatives by another --sampler, such as uniform"
            )
        user = torch.div(key, width, rounding_mode="floor")
        self.shown = Positives.from_pairs(user, key % width, len(data.users), width)
        self.key = self.shown.user * width + self.shown.item
        self.uniform, self.share, self.width = UniformNegatives(data.positives, data.items.seen), share, width

    def draw(self, user: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return item, valid and log_q, each [B, count], for user [B]."""
        first = self.shown.start[user][:, None]
        number = self.shown.start[user + 1][:, None] - first
        place = (first + random_below(number, count, generator)).clamp(max=len(self.key) - 1)
        item, valid, log_q = self.uniform.draw(user, count, generator)
        chance = torch.rand(item.shape, generator=generator, device=item.device)
        own = (chance < self.share) & (number > 0)
        item = torch.where(own, self.shown.item[place], item)
        share = torch.where(number > 0, self.share, 0.0)
        pair = user[:, None] * self.width + item
        is_shown = self.key[(count_up_to(self.key, pair) - 1).clamp(min=0)] == pair
        q = (1 - share) * log_q.exp() + share * is_shown / number.clamp(min=1)
        return item, own | valid, q.clamp(min=torch.finfo(q.dtype).tiny).log()


@SAMPLERS.add(Impressions.sampler)
class ImpressionTriplets(Triplets):
    """One positive, and negatives that the user was shown and gave no feedback on: train rows without any feedback.

    With probability 1 - `share` a negative is uniform, as are all negatives of users without such rows.
    """

    def __init__(self, *, negatives: Count = 1, share: Fraction = 1.0) -> None:
        super().__init__(negatives, Impressions(share))
