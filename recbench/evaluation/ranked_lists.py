"""The first k items of each user: among the user's own rows, in the whole catalogue, or among given candidates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from recbench.data.dataset import Log, Positives
from recbench.evaluation.candidate_sets import CandidateSet, GivenCandidates, SampledCandidates
from recbench.evaluation.exact_search import search_exactly
from recbench.evaluation.first_items import exhaustive, require_numbers
from recbench.evaluation.index import Index
from recbench.evaluation.mixture import Mixture
from recbench.evaluation.pairs import contains, restrict, without
from recbench.evaluation.predictions import BlockScores, CatalogueScores
from recbench.evaluation.retrieval import SearchCost, search_and_measure

_USERS = 4096  # in a block
_PAIRS = 8192  # in a block of inner products, near the caches


@dataclass(frozen=True)
class Catalogue:
    """All I items: how popular they are among the training rows, and the vectors that describe them."""

    popularity: Tensor  # [I] int64, users with the item as a positive of the feedback in train
    users: int  # with any positive of the feedback in train
    vectors: Tensor | None = (
        None  # [I, D] float32, the dense vectors of the data side by side; 0 where an item has none
    )

    @staticmethod
    def of(train: Positives, items: int, vectors: Tensor | None) -> Catalogue:
        """Return the catalogue of this many items, from the training pairs of one feedback."""
        users = int(train.start.diff().count_nonzero())
        return Catalogue(torch.bincount(train.item, minlength=items), users, vectors)

    def to(self, device: torch.device) -> Catalogue:
        """Return the same on another device."""
        vectors = None if self.vectors is None else self.vectors.to(device)
        return Catalogue(self.popularity.to(device), self.users, vectors)


@dataclass(frozen=True)
class RankingRules:
    """What is ranked for a user, and how."""

    candidates: CandidateSet  # all items, the user's own rows, or some of all items
    repeated_rows: Literal["best", "apart"] = "best"  # rows of one (user, item): one candidate with the best, or each
    ties: Literal["item order", "earlier row first", "later row first"] = "item order"
    # Pairs that a search of the catalogue leaves out, and that are positives of the scored rows none the less:
    seen_positives: Literal["left out", "ranked", "relevant but not ranked"] = "left out"
    users: Literal["with relevant", "with rows"] = "with relevant"  # who has a list, of those with scored rows


@dataclass(frozen=True)
class RankedLists:
    """The first k items of each of U users: those with a relevant item, or all (`RankingRules.users`)."""

    hit: Tensor  # [U, k] bool, whether the item at that rank is relevant
    relevant: Tensor  # [U] int64, 0 only under users "with rows": relevant items of the user, in the list or not
    length: Tensor  # [U] int64, 0 to k: items in the list
    user: Tensor  # [U] int64, rows of the user table, ascending
    item: Tensor  # [U, k] int64, rows of the item table by rank, -1 where the list has ended
    others: int = 0  # further users, without a relevant item
    search: str = "exact"  # or what else finds the items: the kind of index, or a mixture with its settings
    cost: SearchCost | None = None  # of an approximate search
    catalogue: Catalogue | None = None  # for metrics whose `needs` name it
    relevant_items: Positives | None = None  # [U × items] of a search of all items, of all U users also in `blocks`
    left_out: Positives | None = None  # [U × items] likewise, what the search left out

    @property
    def ranks(self) -> Tensor:
        """The ranks 1 to k, float64."""
        return torch.arange(1, self.hit.shape[1] + 1, dtype=torch.double, device=self.hit.device)

    def first(self, k: int) -> RankedLists:
        """Return the lists cut at k."""
        return replace(self, hit=self.hit[:, :k], length=self.length.clamp(max=k), item=self.item[:, :k])

    def blocks(self) -> Iterator[RankedLists]:
        """Yield the lists of a few thousand users at a time, at least once."""
        columns = (self.hit, self.relevant, self.length, self.user, self.item)
        for hit, relevant, length, user, item in zip(*(column.split(_USERS) for column in columns), strict=True):
            yield replace(self, hit=hit, relevant=relevant, length=length, user=user, item=item)


class ListsByUsers(Protocol):
    """Processes that search the catalogue together, each for some users."""

    def listed(self, users: int, search: Callable[[Tensor], Tensor]) -> Tensor:
        """Return what `search` finds for users 0, 1, …, [users, k], of whom this process has searched for a share."""


def rank_rows(
    score: Tensor, label: Tensor, user: Tensor, item: Tensor, k: int, rules: RankingRules = RankingRules("rows")
) -> RankedLists:
    """Rank each user's own rows [R] only; raises TrainingError if a score is NaN."""
    require_numbers(score)
    user, item, relevant = user.long(), item.long(), label.long()
    if rules.repeated_rows == "best":
        items = int(item.max()) + 1 if len(item) else 1
        pair, row = torch.unique(user * items + item, return_inverse=True)
        best = torch.full((len(pair),), -torch.inf, dtype=score.dtype, device=score.device)
        score = best.scatter_reduce(0, row, score, "amax")
        relevant = torch.zeros_like(pair).scatter_reduce(0, row, relevant, "amax")
        user, item = torch.div(pair, items, rounding_mode="floor"), pair % items
    if rules.ties == "later row first":
        score, relevant, user, item = (column.flip(0) for column in (score, relevant, user, item))
    return _of_users(_ranked(score, relevant, user, item, k), rules)


def rank_catalogue(
    scores: CatalogueScores,
    log: Log,
    column: int,
    seen: Positives,
    k: int,
    index: Index = "flat",
    rules: RankingRules = RankingRules("catalogue"),
    had: Positives | None = None,
    lists_by: ListsByUsers | None = None,
) -> RankedLists:
    """Search all items for each user with a positive of one feedback column; equal scores in the order of item rows.

    `seen` [users × items] holds the pairs that are left out, but for what `rules` say of those that are positives;
    `had` [users × items] those of train, which a mixture reads; `lists_by` are processes that all call this, to share
    an exact search. The lists are on the device of the vectors where scores are inner products, else on the CPU.
    """
    device = torch.device("cpu") if isinstance(scores, BlockScores) else scores.user.device
    seen = seen.to(device)
    users = len(seen.start) - 1
    items = scores.items if isinstance(scores, BlockScores) else len(scores.item)
    relevant = _positives(log, column, users, items, device)
    every_user = log.user.unique().long().to(device)
    if rules.seen_positives == "left out":
        relevant = without(relevant, seen, items)
    elif rules.seen_positives == "ranked":
        seen = without(seen, relevant, items)
    user = every_user if rules.users == "with rows" else relevant.start.diff().nonzero()[:, 0]
    relevant, seen = restrict(relevant, user), restrict(seen, user)

    depth = min(k, items)
    searched, cost = "exact", None
    if isinstance(scores, BlockScores) or index == "flat":
        listed = _listed(scores, user, depth, seen, lists_by)
    elif isinstance(index, Mixture):
        assert had is not None, "a mixture reads what users had in train"
        listed, searched = index.search(scores, user, depth, seen, had.to(device)), str(index)
    else:
        ranking, cost = search_and_measure(scores.user[user], scores.item, depth, seen, index)
        listed, searched = ranking.item, index
    hit = torch.zeros(len(user), k, dtype=torch.bool, device=device)
    for rows in torch.arange(len(user), device=device).split(_USERS):
        hit[rows, :depth] = contains(relevant, rows.unsqueeze(1), listed[rows], items)
    item = torch.nn.functional.pad(listed, (0, k - depth), value=-1)
    others = len(every_user) - len(user)
    return RankedLists(
        hit=hit,
        relevant=relevant.start.diff(),
        length=(item >= 0).sum(1),
        user=user,
        item=item,
        others=others,
        search=searched,
        cost=cost,
        relevant_items=relevant,
        left_out=seen,
    )


def _listed(
    scores: CatalogueScores, user: Tensor, depth: int, left_out: Positives, lists_by: ListsByUsers | None = None
) -> Tensor:
    """Return the items [U, depth] by rank of an exact search for these users [U], without their pairs `left_out`."""
    if lists_by is not None:
        return lists_by.listed(len(user), lambda share: _listed(scores, user[share], depth, restrict(left_out, share)))
    if isinstance(scores, BlockScores):
        return exhaustive(scores.score, user, scores.items, depth, left_out).item.cpu()
    return search_exactly(scores.user[user], scores.item, depth, left_out).item


def rank_candidates(
    scores: CatalogueScores,
    log: Log,
    column: int,
    seen: Positives,
    k: int,
    candidates: SampledCandidates | GivenCandidates,
    rules: RankingRules,
) -> RankedLists:
    """Rank some items only for each user who has candidates; otherwise as `rank_catalogue`.

    A relevant item that is no candidate counts as relevant none the less. Raises TrainingError if a score is NaN.
    """
    seen = seen.to("cpu")
    users = len(seen.start) - 1
    items = scores.items if isinstance(scores, BlockScores) else len(scores.item)
    relevant = without(_positives(log, column, users, items, torch.device("cpu")), seen, items)
    every_user = log.user.unique().long().cpu()
    user = every_user if rules.users == "with rows" else relevant.start.diff().nonzero()[:, 0]
    blocks = []
    for block in user.split(_USERS):
        own_relevant = restrict(relevant, block)
        pairs = candidates.pairs(block, own_relevant, restrict(seen, block), items)
        score = _score_pairs(scores, block[pairs.user], pairs.item)
        hit = contains(own_relevant, pairs.user, pairs.item, items).long()
        lists = _ranked(score, hit, pairs.user, pairs.item, k)
        blocks.append(replace(lists, relevant=own_relevant.start.diff()[lists.user], user=block[lists.user]))
    return RankedLists(
        hit=torch.cat([lists.hit for lists in blocks]),
        relevant=torch.cat([lists.relevant for lists in blocks]),
        length=torch.cat([lists.length for lists in blocks]),
        user=torch.cat([lists.user for lists in blocks]),
        item=torch.cat([lists.item for lists in blocks]),
        others=len(every_user) - sum(len(lists.user) for lists in blocks),
    )


def _positives(log: Log, column: int, users: int, items: int, device: torch.device) -> Positives:
    """Return the pairs [users × items] of a log that have one feedback."""
    row = log.label[:, column].nonzero()[:, 0]
    return Positives.from_pairs(log.user[row].to(device), log.item[row].to(device), users, items)


def _score_pairs(scores: CatalogueScores, user: Tensor, item: Tensor) -> Tensor:
    """Return the scores [P] of the pairs user, item [P], inner products in float64, on the CPU."""
    if isinstance(scores, BlockScores):
        return require_numbers(scores.rows(user, item).cpu())
    products = [torch.empty(0, dtype=torch.double)]
    for block in torch.arange(len(user)).split(_PAIRS):
        query, vector = scores.user[user[block].to(scores.user.device)], scores.item[item[block].to(scores.item.device)]
        products.append((query.double() * vector.double()).sum(1).cpu())
    return require_numbers(torch.cat(products))


def _of_users(lists: RankedLists, rules: RankingRules) -> RankedLists:
    """Return the lists of the users that the rules ask for."""
    if rules.users == "with rows":
        return lists
    some = lists.relevant > 0
    return RankedLists(
        hit=lists.hit[some],
        relevant=lists.relevant[some],
        length=lists.length[some],
        user=lists.user[some],
        item=lists.item[some],
        others=int((~some).count_nonzero()),
    )


def _ranked(score: Tensor, relevant: Tensor, user: Tensor, item: Tensor, k: int) -> RankedLists:
    """Rank the candidates [C] of every user, `relevant` being 0 or 1; equal scores in the order given."""
    order = score.argsort(descending=True, stable=True)
    order = order[user[order].argsort(stable=True)]
    users, position, count = torch.unique_consecutive(user[order], return_inverse=True, return_counts=True)
    rank = torch.arange(len(order), device=order.device) - (count.cumsum(0) - count)[position]
    top = rank < k
    hit = torch.zeros(len(users), k, dtype=torch.bool, device=order.device)
    listed = torch.full((len(users), k), -1, device=order.device)
    hit[position[top], rank[top]] = relevant[order][top] > 0
    listed[position[top], rank[top]] = item[order][top]
    total = torch.zeros_like(count).index_add(0, position, relevant[order])
    return RankedLists(hit, total, count.clamp(max=k), users, listed)
