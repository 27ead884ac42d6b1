"""Validation by several ranks: each scores a share of the rows, and searches the catalogue for a share of the users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from recbench.data.dataset import Log
from recbench.training.distributed.training import tables_by_all
from recbench.training.model import Model
from recbench.training.ranks import Ranks
from recbench.training.scorer import Scorer
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

    def listed(self, users: int, search: Callable[[Tensor], Tensor]) -> Tensor:
        """Return what `search` finds for users 0, 1, …, [users, k], of whom this rank has searched for its share."""
        every = torch.arange(users)
        return self.ranks.gathered(search(self.ranks.own(every)), users) if users else search(every)


def validate(validation: Validation, model: Model, ranks: Ranks) -> float:
    """Return the metric of a model that these ranks train, by all of them; raises as the validation does.

    Where tables are sharded, the first rank alone has the vectors of all users and items, and validates.
    """
    tables = tables_by_all(model, ranks, validation.known)
    if ranks.size == 1 or model.shards.tables:
        return ranks.from_first(lambda: validation(model, tables))
    metric = validation(model, tables, SharedEvaluation(ranks))
    return ranks.from_first(lambda: metric)
