"""Negatives that a model ranks high in one of its factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import embedding, embedding_bag

from recbench.data.dataset import Dataset, Positives
from recbench.samplers.base import SAMPLERS, items_of
from recbench.samplers.negatives import (
    ModelProposal,
    Negatives,
    WeightedNegatives,
    draw_columns,
    random_below,
    whole_weights,
)
from recbench.samplers.triplets import Triplets
from recbench.settings import Count, Positive


@dataclass
class AdaptiveRank(ModelProposal):
    """Geometric in the rank of the item in one factor of the model, drawn by what the factor means to the user.

    Rendle & Freudenthaler, WSDM 2014, https://doi.org/10.1145/2556195.2556248: factor f with
    p(f|u) ∝ |p_uf| sigma_f, sigma_f being the standard deviation of q_if over items; rank r = 0, 1, … with
    p(r) ∝ exp(-r / lambda); the item is the r-th by sign(p_uf) q_if, from the highest down. Positives are left out of
    the whole: what is drawn is (f, r) given that the item is none. lambda is `share` times the number of items.
    log_q = log p(item | user), summed over all factors. `refresh` gives p and q.
    """

    sampler: ClassVar[str] = "adaptive"
    share: float = 0.05

    def on(self, data: Dataset) -> Negatives:
        """Return what draws by the vectors last given; raises UsageError if there are none."""
        user, item = self.vectors(data)
        rank = torch.arange(len(item), device=item.device, dtype=torch.double)
        exponent = (-rank / (self.share * len(item))).clamp(min=-700)  # no rank is impossible
        weight = whole_weights(exponent.exp(), len(data.users))
        return RankedNegatives(data.positives, weight, user, item)


@SAMPLERS.add(AdaptiveRank.sampler)
class AdaptiveTriplets(Triplets):
    """One positive and negatives that the model ranks high in a factor that matters to the user.

    Rendle & Freudenthaler, WSDM 2014, https://doi.org/10.1145/2556195.2556248. A rank r has p(r) ∝ exp(-r / lambda)
    with lambda = `share` times the number of items. The orders of the items are renewed before each epoch.
    """

    def __init__(self, *, negatives: Count = 1, share: Positive = 0.05) -> None:
        super().__init__(negatives, AdaptiveRank(share))


class RankedNegatives(Negatives):
    """Draws factors, then ranks of whole weight [items]; user [users, D] and item [items, D] are the vectors."""

    def __init__(self, positives: Positives, weight: Tensor, user: Tensor, item: Tensor) -> None:
        self.positives, self.weight, self.items = positives, weight, len(item)
        self.end = weight.cumsum(0)
        self.key = positives.user * self.items + positives.item
        self.order = item.T.contiguous().argsort(dim=1, descending=True, stable=True)  # [D, items]
        place = torch.arange(self.items, device=item.device).expand_as(self.order)
        self.rank = torch.empty_like(self.order).scatter_(1, self.order, place).T.contiguous()  # [items, D]
        steer = user * item.std(0, correction=0)
        self.reverse = steer < 0  # [users, D]
        steer = steer.abs()
        steer = steer.where(steer.sum(1, keepdim=True) > 0, 1)  # a user without a taste has all factors alike
        self.chance = steer / steer.sum(1, keepdim=True)
        share = weight.double() / self.end[-1]
        down, up = share[self.rank], share[self.items - 1 - self.rank]  # p(r) of each item, from either end
        taken = torch.where(self.reverse, _sums(up, positives), _sums(down, positives))
        self.free = (self.chance * (1 - taken).clamp(min=0)).float()
        self.down, self.up = down.float(), up.float()

    def draw(self, user: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return item, valid and log_q, the log of p(item | user) over all factors, each [B, count]."""
        chance = self.chance.index_select(0, user)
        factor = draw_columns(chance, count, generator)
        unit = random_below(self.end[-1].expand(len(user), 1), count, generator)
        item = self._item(user[:, None], factor, torch.searchsorted(self.end, unit, right=True))
        key = user[:, None] * self.items + item
        place = torch.searchsorted(self.key, key).clamp(max=len(self.key) - 1)
        row, column = (self.key[place] == key).nonzero(as_tuple=True)
        valid = torch.ones_like(item, dtype=torch.bool)
        item[row, column], valid[row, column] = self._among_free(user[row], generator)
        return item, valid, self._log_q(user, item, chance)

    def _among_free(self, user: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return item and valid [n] for users [n] whose first draw was a positive: one draw from what is free.

        A draw that is kept if it is free, and else replaced by one from the free part, has the distribution of the
        free part; thus only few users' positives have to be sorted.
        """
        weight = self.free.index_select(0, user)
        factor = draw_columns(weight.where(weight.sum(1, keepdim=True) > 0, 1), 1, generator)[:, 0]
        index, taken = items_of(self.positives, user)
        turned, column = user.index_select(0, index), factor.index_select(0, index)
        place = self._turned(turned, column, self.rank[taken, column])
        own = WeightedNegatives(Positives.from_pairs(index, place, len(user), self.items), self.weight)
        rank, valid, _ = own.draw(torch.arange(len(user), device=user.device), 1, generator)
        return self._item(user, factor, rank[:, 0]), valid[:, 0]

    def _item(self, user: Tensor, factor: Tensor, rank: Tensor) -> Tensor:
        item: Tensor = self.order[factor, self._turned(user, factor, rank)]
        return item

    def _turned(self, user: Tensor, factor: Tensor, place: Tensor) -> Tensor:
        """Return the ranks of places in a factor's order, or the places of ranks: turned round where p_uf < 0."""
        return torch.where(self.reverse[user, factor], self.items - 1 - place, place)

    def _log_q(self, user: Tensor, item: Tensor, chance: Tensor) -> Tensor:
        reverse = self.reverse.index_select(0, user)[:, None]
        share = torch.where(reverse, embedding(item, self.up), embedding(item, self.down))
        free = self.free.index_select(0, user).sum(1, keepdim=True)
        return (share * chance[:, None]).sum(-1).log() - free.where(free > 0, 1).log()


def _sums(value: Tensor, positives: Positives) -> Tensor:
    """Return the sums [users, D] of values [items, D] over each user's positives."""
    return embedding_bag(positives.item, value, positives.start[:-1], mode="sum")
