"""The number that chooses the epoch, from the validation rows alone."""

from __future__ import annotations

import math
from functools import cache

from torch import Tensor

from recbench.data.dataset import Dataset
from recbench.errors import TrainingError, UsageError
from recbench.evaluation.evaluate import ScoredLog, evaluate, expand
from recbench.evaluation.predictions import Predictions
from recbench.evaluation.ranked_lists import ListsByUsers
from recbench.evaluation.request import Request, parse
from recbench.evaluation.signature import Protocol
from recbench.results.record import RunKey, of_all
from recbench.training.model import Model
from recbench.training.scorer import Scorer, Sharing, collapse_note


class UndefinedMetricError(TrainingError):
    """A validation metric that is undefined on the validation rows, whatever the model."""


class Validation:
    """One metric on the validation rows, as a mean over the feedback types for which it is defined.

    `auto` is `auc`, or `recall@20` where the validation rows of every feedback are all alike. Of split `users`, the
    first rows of each validation user are its history, and only the rest is scored.
    """

    def __init__(self, data: Dataset, select: str) -> None:
        self.data = data
        self.given, self.log = data.given_and_scored(data.valid)
        self.known = self.given if data.new_test_users else None
        self.request = self._auto() if select == "auto" else parse(select)
        if self.request.metric.better != "high":
            raise UsageError(f"train.select={select}: expected a metric where higher is better, such as auc")
        expand([self.request], data.feedback, probability=True, dense_vectors=data.items.dense is not None)
        self.train = cache(lambda column: data.positives_of(data.train, column))
        self.seen = cache(lambda column: data.positives_of(self.given, column)) if data.new_test_users else self.train
        self.protocol = Protocol.of(data, "valid")

    @property
    def label(self) -> str:
        """The metric in words: the mean over feedback types where there are several."""
        return of_all(str(self.request), self.data.feedback)

    def _auto(self) -> Request:
        rates = self.log.label.double().mean(0)
        return parse("auc" if bool(((rates > 0) & (rates < 1)).any()) else "recall@20")

    def __call__(
        self, model: Model, tables: tuple[Tensor, Tensor] | None = None, sharing: Sharing | None = None
    ) -> float:
        """Return the metric of the model; raises UndefinedMetricError if it is undefined for every feedback.

        `tables` are the backbone's, where they are known; `sharing` are processes that call this together.
        """
        scorer = Scorer(model.backbone, model.loss, self.known, tables)
        scores = None if sharing is None else sharing.scores(scorer, self.log)
        return self.measure(scorer.predictions(self.log, scores), sharing)

    def collapse(self, key: RunKey, model: Model) -> list[str]:
        """Return a line if the vectors by which the model of a run ranks tell little apart, else nothing."""
        return collapse_note(key, Scorer(model.backbone, model.loss, self.known).catalogue)

    def measure(self, predictions: Predictions, lists_by: ListsByUsers | None = None) -> float:
        """Return the metric of predictions for the rows `log`; raises UndefinedMetricError as a call does."""
        if not predictions.score.isfinite().all():
            raise TrainingError("a validation score is not finite: the training diverged; try a lower --lr")
        scored = ScoredLog(
            self.log,
            self.data.feedback,
            predictions,
            self.seen,
            len(self.data.items),
            train=self.train,
            item_vectors=self.data.items.dense,
            lists_by=lists_by,
        )
        values = evaluate([self.request], scored, self.protocol)
        defined = [value.value for value in values if not math.isnan(value.value)]
        if not defined:
            raise UndefinedMetricError(
                f"validation {self.request} is undefined: the validation rows hold no such positives; "
                f"choose another metric with --select"
            )
        return sum(defined) / len(defined)
