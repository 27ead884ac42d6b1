"""Validation by several ranks: each scores a share of the rows, and searches the catalogue for a share of the users."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recbench.data.dataset import Log
from recbench.evaluation.ranked_lists import RankedLists
from recbench.training.model import Model
from recbench.training.ranks import Ranks
from recbench.training.scorer import Scorer
from recbench.training.shared.training import tables_by_all
from recbench.training.validate import Validation


@dataclass(frozen=True)
class SharedEvaluation:
    """The evaluation of a model that all ranks have, to the numbers of one process.

    Scores of rows and lists of items are gathered, so that every rank computes the metrics from all of them.
    """

    ranks: Ranks

    def scores(self, scorer: Scorer, log: Log) -> tuple[Tensor, Tensor | None]:
        """Return what `Scorer.rows` does, of which this rank has computed its share of the rows."""
        own = self.ranks.own
        score, log_probability = scorer.rows(Log(own(log.user), own(log.item), own(log.label)))
        count = len(log)
        whole = None if log_probability is None else self.ranks.gathered(log_probability, count)
        return self.ranks.gathered(score, count), whole

    def own_users(self, log: Log) -> Log:
        """Return the rows of the users that this rank makes lists for."""
        users = log.user.unique()
        first, last = (len(users) * rank // self.ranks.size for rank in (self.ranks.rank, self.ranks.rank + 1))
        if first == last:
            return log[:0]
        return log[(log.user >= users[first]) & (log.user <= users[last - 1])]

    def all_lists(self, lists: RankedLists) -> RankedLists:
        """Return the lists of the users of all ranks, from those of this one."""
        parts = self.ranks.all_of(self.parts(lists))
        *whole, others = zip(*parts, strict=True)
        hit, relevant, length, user, item = (torch.cat(column).to(lists.user.device) for column in whole)
        return replace(lists, hit=hit, relevant=relevant, length=length, user=user, item=item, others=sum(others))

    @staticmethod
    def parts(lists: RankedLists) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, int]:
        """Return what lists of users consist of, on the CPU."""
        hit, relevant, length, user, item = (
            column.cpu() for column in (lists.hit, lists.relevant, lists.length, lists.user, lists.item)
        )
        return hit, relevant, length, user, item, lists.others


def validate(validation: Validation, model: Model, ranks: Ranks) -> float:
    """Return the metric of a model that these ranks train, by all of them; raises as the validation does.

    Where tables are sharded, the first rank alone has the vectors of all users and items, and validates.
    """
    tables = tables_by_all(model, ranks, validation.known)
    if ranks.size == 1 or model.shards.tables:
        return ranks.from_first(lambda: validation(model, tables))
    metric = validation(model, tables, SharedEvaluation(ranks))
    return ranks.from_first(lambda: metric)
