"""Candidates that are neither the whole catalogue nor the user's own rows: a sample of it, or those of a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from recbench.data.dataset import Positives
from recbench.evaluation.pairs import restrict, without


@dataclass(frozen=True)
class SampledCandidates:
    """The relevant items of each user and `count` others, drawn uniformly without repetition from all that remain.

    What is drawn depends on the seed, the user and what the user had, and on nothing else, so that every method ranks
    the same candidates. What is measured so is biased: Krichene & Rendle, KDD 2020,
    https://doi.org/10.1145/3394486.3403226.
    """

    count: int
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.count} sampled{f' with seed {self.seed}' if self.seed else ''} + relevant"

    def pairs(self, user: Tensor, relevant: Positives, seen: Positives, items: int) -> Positives:
        """Return the candidates [U × items] of user [U]; `relevant` and `seen` [U × items] hold no pair in common.

        Fewer than `count` are drawn where fewer items remain.
        """
        drawn_from, drawn = [], []
        for position, row in enumerate(user.tolist()):
            own = [pairs.item[pairs.start[position] : pairs.start[position + 1]] for pairs in (relevant, seen)]
            excluded = np.sort(torch.cat(own).numpy())
            place = np.array(self._places(row, items - len(excluded)), dtype=np.int64)
            # the item at a place among those that remain: one further for each excluded item at or before it
            drawn.append(torch.from_numpy(place + np.searchsorted(excluded - np.arange(len(excluded)), place, "right")))
            drawn_from.append(torch.full((len(place),), position))
        return Positives.from_pairs(
            torch.cat([relevant.user, *drawn_from]), torch.cat([relevant.item, *drawn]), len(user), items
        )

    def _places(self, user: int, remaining: int) -> list[int]:
        """Draw `count` of the numbers 0 to remaining - 1, or return all of them where there are no more."""
        if remaining <= self.count:
            return list(range(remaining))
        stream = np.random.Philox(key=[self.seed, user])  # whose raw numbers no version of numpy changes
        places: dict[int, None] = {}
        while len(places) < self.count:
            places.update(dict.fromkeys((stream.random_raw(self.count) % remaining).tolist()))
        return list(places)[: self.count]


@dataclass(frozen=True)
class GivenCandidates:
    """The candidates of a file."""

    digest: str  # first 12 digits of the SHA-256 of the file
    candidates: Positives = field(compare=False)  # [users × items]

    def __str__(self) -> str:
        return f"file(sha256:{self.digest})"

    def pairs(self, user: Tensor, relevant: Positives, seen: Positives, items: int) -> Positives:
        """Return the candidates [U × items] of user [U] that are not `seen` [U × items]."""
        return without(restrict(self.candidates, user), seen, items)


CandidateSet = Literal["catalogue", "rows"] | SampledCandidates | GivenCandidates
