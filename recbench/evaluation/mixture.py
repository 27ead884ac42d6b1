"""Search by several queries a user, one for each of the user's interests: kNN-Embed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from recbench import settings
from recbench.data.dataset import Positives
from recbench.evaluation.exact_search import prepared, search_exactly
from recbench.evaluation.first_items import keep_first
from recbench.evaluation.pairs import restrict
from recbench.evaluation.predictions import InnerProductScores
from recbench.gpu import add_at
from recbench.samplers.clustered import k_means
from recbench.settings import Count, CountOrZero, Fraction

_USERS = 256  # in a block


class Interests(NamedTuple):
    """The largest components of the mixtures of B users."""

    share: Tensor  # [B, M] float32, falling, of all the user's components; 0: there are no more
    query: Tensor  # [B, M, D] float32


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """kNN-Embed (El-Kishky et al., 2022, https://arxiv.org/abs/2205.06205): a query for each of a user's interests.

    Items lie in `clusters` by spherical k-means of their vectors. A user is a mixture of clusters: the share of each
    among the items that the user had in train, with weight 1 - `smoothing`, and its mean share among those of the
    `neighbours` whose vectors have the largest cosines with the user's, with weight `smoothing`. The query of a cluster
    is the mean vector of these items in it, by the same weights, and finds the items of all the catalogue with the
    largest cosines. The `queries` largest components fill the list in proportion to their shares: it has the items with
    the smallest rank / share, each once. How they stand on the list is by the score of the model, as the paper leaves
    that to a later stage. The paper's numbers are not known to recbench: these are defaults to be tuned. A user
    without any such items is searched for by the user's own vector.
    """

    clusters: Count = 64
    queries: Count = 5
    neighbours: CountOrZero = 10
    smoothing: Fraction = 0.8

    def __str__(self) -> str:
        return f"kNN-Embed({', '.join(settings.typed_words(asdict(self)))})"

    @staticmethod
    def of(words: Mapping[str, str]) -> Mixture:
        """Return the search with these settings; raises UsageError for one that does not exist or is out of range."""
        return Mixture(**settings.resolve(Mixture, "index", words))  # type: ignore[arg-type]

    def search(self, scores: InnerProductScores, user: Tensor, k: int, seen: Positives, had: Positives) -> Tensor:
        """Return k items [U, k] of users [U], by the model's score, -1 where fewer remain.

        `seen` holds the pairs to leave out, by position in `user`; `had` those of train, of all users.
        """
        query, item = prepared(scores.user), prepared(scores.item)
        unit, own = normalize(item, dim=1), normalize(query[user], dim=1)
        cluster, _ = k_means(unit, min(self.clusters, len(item)), spherical=True)
        near = self._neighbours(own, user, normalize(query, dim=1), had)
        found = torch.empty(len(user), k, dtype=torch.long, device=item.device)
        for block in torch.arange(len(user), device=item.device).split(_USERS):
            share, queries = self.interests(user[block], near[block], had, unit, cluster)
            lost = share[:, 0] == 0
            share[lost, 0], queries[lost, 0] = 1, own[block[lost]]
            several = restrict(seen, block.repeat_interleave(share.shape[1]))
            listed = search_exactly(queries.flatten(0, 1), unit, k, several).item.view(len(block), share.shape[1], k)
            chosen = in_proportion(listed, share, k)
            score = (query[user[block]].double()[:, None] * item[chosen.clamp(min=0)].double()).sum(2)
            found[block] = keep_first(chosen, score.masked_fill(chosen < 0, -torch.inf), k).item
        return found

    def interests(self, user: Tensor, near: Tensor, had: Positives, unit: Tensor, cluster: Tensor) -> Interests:
        """Return the largest components of users [B] with neighbours [B, N], -1: none, by the clusters [I] of items."""
        smoothing = self.smoothing if self.neighbours else 0.0
        count = near.ge(0).sum(1, keepdim=True)
        own = (1 - smoothing * (count > 0)).to(unit)
        weight = torch.cat([own, smoothing * near.ge(0) / count.clamp(min=1)], 1)
        people = torch.cat([user[:, None], near], 1).clamp(min=0)
        pairs = restrict(had, people.flatten())
        weight = (weight.flatten() / pairs.start.diff().clamp(min=1)).to(unit)[pairs.user]
        row = torch.div(pairs.user, people.shape[1], rounding_mode="floor")
        clusters = int(cluster.max()) + 1
        place = row * clusters + cluster[pairs.item]
        mixture = add_at(unit.new_zeros(len(user) * clusters), place, weight).view(len(user), clusters)
        share, top = (part[:, : self.queries] for part in mixture.sort(dim=1, descending=True, stable=True))
        slot = torch.full_like(mixture, -1, dtype=torch.long)
        slot.scatter_(1, top, torch.arange(top.shape[1], device=top.device).expand_as(top))
        slots = slot.flatten()[place]
        kept = slots >= 0
        into = (row * top.shape[1] + slots)[kept]
        query = unit.new_zeros(top.numel(), unit.shape[1])
        add_at(query, into, weight[kept, None] * unit[pairs.item[kept]])
        return Interests(share, query.view(*top.shape, -1))

    def _neighbours(self, own: Tensor, user: Tensor, everyone: Tensor, had: Positives) -> Tensor:
        """Return the users [U, N] with training items whose vectors are nearest to those of users [U], -1: no more."""
        known = had.start.diff().nonzero()[:, 0]
        if not self.neighbours or not len(known):
            return torch.full((len(user), self.neighbours), -1, device=user.device)
        place = torch.searchsorted(known, user).clamp(max=len(known) - 1)
        self_found = (known[place] == user).nonzero()[:, 0]
        oneself = Positives.from_pairs(self_found, place[self_found], len(user), len(known))
        near = search_exactly(own, everyone[known], self.neighbours, oneself).item
        return known[near.clamp(min=0)].where(near >= 0, -1)


def in_proportion(listed: Tensor, share: Tensor, k: int) -> Tensor:
    """Return the k items [B, k] with the smallest rank / share on lists [B, M, L] of these shares [B, M], each once.

    -1 where there are fewer.
    """
    rank = torch.arange(1, listed.shape[2] + 1, device=listed.device)
    turn = (rank / share.double().unsqueeze(2)).masked_fill(listed < 0, torch.inf).flatten(1)
    turn, order = turn.sort(stable=True, dim=1)
    item = listed.flatten(1).gather(1, order)
    by_item, place = item.sort(stable=True, dim=1)
    repeated = torch.zeros_like(item, dtype=torch.bool)
    repeated.scatter_(1, place[:, 1:], by_item[:, 1:] == by_item[:, :-1])
    turn, order = turn.masked_fill(repeated, torch.inf).sort(stable=True, dim=1)
    return item.gather(1, order).masked_fill(turn == torch.inf, -1)[:, :k]
