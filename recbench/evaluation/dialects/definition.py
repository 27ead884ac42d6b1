"""What a dialect is: a table of metrics with the definitions of another library and where its source says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from recbench.evaluation.better import Better
from recbench.evaluation.metric import Counted, Need, RowMetric, TopKMetric, Unit
from recbench.evaluation.ranked_lists import RankedLists, RankingRules

_UNDEFINED = Counted(float("nan"), 0)


@dataclass(frozen=True)
class LibraryRowMetric(RowMetric):
    """A metric of scored rows as a library computes it."""

    spelling: str  # as the library writes it
    words: str = field()  # definition, for the signature
    source: str = field()  # file and function
    function: Callable[[Tensor, Tensor, Tensor], Counted] = field()  # of score, label, user, as `RowMetric.value`
    unit: Unit = "users"
    needs: frozenset[Need] = frozenset()
    better: Better = "high"

    def value(self, score: Tensor, label: Tensor, user: Tensor) -> Counted:
        """Compute the metric from score [R] (higher = better), label [R] (0 or 1) and user [R].

        NaN where the library gives NaN or stops: without rows, for a score that is NaN, and as `words` say.
        """
        return self.function(score, label, user) if len(score) and not score.isnan().any() else _UNDEFINED


@dataclass(frozen=True)
class ListValue:
    """What each user's first k items are worth."""

    words: str  # definition, for the signature
    of: Callable[[RankedLists], Tensor]  # value of each user [U] float64


@dataclass(frozen=True)
class LibraryTopKMetric(TopKMetric):
    """A metric of each user's first k items as a library computes it."""

    spelling: str
    source: str = field()
    user: ListValue = field()
    without_relevant: float | None = None  # value of users without relevant items, NaN where it stops; None: left out
    weight: Literal["user", "relevant"] = "user"
    needs_full_lists: bool = False
    lists: RankingRules | None = None  # what it ranks, where that is not what the dialect's other metrics do

    @property
    def definition(self) -> str:
        """The words of a signature."""
        rest = "left out" if self.without_relevant is None else f"{self.without_relevant:g}".replace("nan", "undefined")
        without = [f"users without relevant={rest}"] if self.weight == "user" else []
        short = ["a list shorter than k=undefined"] if self.needs_full_lists else []
        return "; ".join([self.user.words, *without, *short])

    def values(self, lists: RankedLists) -> Tensor:
        """Compute the metric of each user with a relevant item [U]."""
        return self.user.of(lists)

    def value(self, lists: RankedLists) -> Counted:
        """Compute the mean over users; NaN without users, and where the library stops."""
        users = len(lists.hit)
        short = self.needs_full_lists and bool((lists.length < lists.hit.shape[1]).any())
        counted = users if self.without_relevant is None else users + lists.others
        if not counted or short:
            return _UNDEFINED
        values = self.values_in_blocks(lists)
        if self.weight == "relevant":
            return Counted(float((values * lists.relevant).sum() / lists.relevant.sum()), users)
        rest = self.without_relevant * lists.others if self.without_relevant and lists.others else 0.0
        return Counted(float((values.sum() + rest) / counted), counted)


@dataclass(frozen=True)
class Dialect:
    """The metrics of a library that recbench can compute as the library does."""

    name: str
    version: str  # library and version whose source was followed
    link: str
    lists: RankingRules  # what its top-k metrics rank
    metrics: Mapping[str, LibraryRowMetric | LibraryTopKMetric]  # by the name recbench has, or the library's own

    def ranking_rules(self, name: str) -> RankingRules:
        """Return what a metric of the first k items ranks."""
        metric = self.metrics[name]
        return (metric.lists if isinstance(metric, LibraryTopKMetric) else None) or self.lists

    def definition(self, name: str, k: int | None) -> str:
        """Return the words of a signature: library and version, its name for the metric, definition and source."""
        metric, cutoff = self.metrics[name], f"@{k}" if k else ""
        return f"dialect={self.version}; there={metric.spelling}{cutoff}; {metric.definition}; source={metric.source}"
