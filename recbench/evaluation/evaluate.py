"""All the metrics of one log for one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from recbench.data.dataset import Log, Positives
from recbench.errors import UsageError, require_known
from recbench.evaluation.candidate_sets import GivenCandidates, SampledCandidates
from recbench.evaluation.metric import Counted, Parts, RowMetric, TopKMetric, VectorMetric
from recbench.evaluation.mixture import Mixture
from recbench.evaluation.predictions import Predictions, score_vectors
from recbench.evaluation.ranked_lists import (
    Catalogue,
    ListsByUsers,
    RankedLists,
    RankingRules,
    rank_candidates,
    rank_catalogue,
    rank_rows,
)
from recbench.evaluation.request import Request
from recbench.evaluation.retrieval import SearchCost
from recbench.evaluation.signature import Protocol, signature


@dataclass(frozen=True)
class ScoredLog:
    """The held-out rows of a dataset and what a model says of them."""

    log: Log
    feedback: tuple[str, ...]  # names of the T columns of `log.label`
    predictions: Predictions
    seen: Callable[[int], Positives]  # column -> pairs [users × items] that a search of the catalogue leaves out
    items: int  # in the catalogue
    train: Callable[[int], Positives] | None = None  # column -> training pairs [users × items], for metrics of items
    item_vectors: Tensor | None = None  # [items, D] dense vectors, where the data has them
    lists_by: ListsByUsers | None = None  # processes that all evaluate this log together


@dataclass(frozen=True)
class Value:
    """One number with its definition."""

    metric: str  # without the feedback: recall@50
    feedback: str
    value: float  # NaN where undefined: nothing counts
    count: int
    unit: str  # what `count` counts: rows, users or items
    signature: str
    cost: SearchCost | None = None  # of an approximate search
    parts: Parts | None = None  # by users, if asked for and the metric has them


class Columns(NamedTuple):
    """Of the feedback whose positives are relevant, and of the one whose scores rank."""

    label: int
    score: int


Question = tuple[Request, Columns]  # a request for one kind of feedback, which it no longer names


def evaluate(requests: Sequence[Request], scored: ScoredLog, protocol: Protocol, by_user: bool = False) -> list[Value]:
    """Compute each metric for each of its feedback types, in the order of the requests; repeated ones once.

    With `by_user`, values carry what each user adds to them. Raises UsageError as `expand` does, before any work, and
    for a metric of vectors where there are none.
    """
    questions = expand(
        requests,
        scored.feedback,
        probability=scored.predictions.log_probability is not None,
        dense_vectors=scored.item_vectors is not None,
    )
    ranker = _Ranker(questions, scored, protocol)
    return [_answer(question, scored, ranker, by_user) for question in questions]


def expand(
    requests: Sequence[Request], feedback: Sequence[str], probability: bool, dense_vectors: bool
) -> list[Question]:
    """Return each request with the columns of each of its feedback types, without repetitions.

    Raises UsageError for a feedback that is not among `feedback`, for a metric of probabilities where the model gives
    none, and for one of the items' dense vectors where the data has none.
    """
    questions: dict[Question, None] = {}
    columns = {name: column for column, name in enumerate(feedback)}
    for request in requests:
        if "probability" in request.metric.needs and not probability:
            raise UsageError(
                f"metric `{request}` needs probabilities, which this loss does not give; choose auc instead"
            )
        if "dense vectors" in request.metric.needs and not dense_vectors:
            raise UsageError(
                f"metric `{request}` needs dense vectors of the items, which this dataset does not have; leave it out"
            )
        require_known("feedback", (request.feedback, request.by), feedback)
        for name in feedback if request.feedback is None else [request.feedback]:
            by = None if request.by == name else request.by  # ranked by its own scores is what every metric is
            questions[replace(request, feedback=None, by=by), Columns(columns[name], columns[by or name])] = None
    return list(questions)


class _Ranker:
    """The lists of several metrics: ranked once for all cut-offs.

    An approximate search is made for each cut-off, since what it finds depends on how far it looks.
    """

    def __init__(self, questions: Sequence[Question], scored: ScoredLog, protocol: Protocol) -> None:
        self.scored = scored
        self.protocol = protocol
        self.largest: dict[tuple[Columns, RankingRules], int] = {}
        self.ranked: dict[tuple[Columns, RankingRules, int], RankedLists] = {}
        self.catalogues: dict[int, Catalogue] = {}
        for request, columns in questions:
            if request.k is not None:
                key = columns, request.ranking_rules(protocol.candidates)
                self.largest[key] = max(self.largest.get(key, 0), request.k)

    def lists(self, request: Request, columns: Columns) -> RankedLists:
        """Return the first k items of each user."""
        assert request.k is not None
        rules = request.ranking_rules(self.protocol.candidates)
        k = self.largest[columns, rules] if self.protocol.index == "flat" else request.k
        if (columns, rules, k) not in self.ranked:
            self.ranked[columns, rules, k] = self._rank(columns, rules, k)
        lists = self.ranked[columns, rules, k].first(request.k)
        if request.metric.needs & {"catalogue", "dense vectors"}:
            return replace(lists, catalogue=self._catalogue(columns.label).to(lists.item.device))
        return lists

    def _catalogue(self, column: int) -> Catalogue:
        if column not in self.catalogues:
            assert self.scored.train is not None, "a metric of items needs the training pairs"
            self.catalogues[column] = Catalogue.of(
                self.scored.train(column), self.scored.items, self.scored.item_vectors
            )
        return self.catalogues[column]

    def _rank(self, columns: Columns, rules: RankingRules, k: int) -> RankedLists:
        log, predictions = self.scored.log, self.scored.predictions
        if rules.candidates == "rows":
            score, label = predictions.score[:, columns.score], log.label[:, columns.label]
            return rank_rows(score, label, log.user, log.item, k, rules)
        scores, seen = predictions.catalogue(columns.score), self.scored.seen(columns.label)
        if isinstance(rules.candidates, SampledCandidates | GivenCandidates):
            return rank_candidates(scores, log, columns.label, seen, k, rules.candidates, rules)
        had = None
        if isinstance(self.protocol.index, Mixture):
            assert self.scored.train is not None, "a mixture needs the training pairs"
            had = self.scored.train(columns.label)
        return rank_catalogue(
            scores, log, columns.label, seen, k, self.protocol.index, rules, had, self.scored.lists_by
        )


def _answer(question: Question, scored: ScoredLog, ranker: _Ranker, by_user: bool) -> Value:
    request, columns = question
    metric, lists, parts = request.metric, None, None
    if isinstance(metric, RowMetric):
        rows = _rows(metric, columns, scored)
        counted, parts = metric.value(*rows), metric.parts(*rows) if by_user else None
    elif isinstance(metric, TopKMetric):
        lists = ranker.lists(request, columns)
        counted, parts = metric.value(lists), metric.parts(lists) if by_user else None
    else:
        assert isinstance(metric, VectorMetric)
        counted = _of_vectors(metric, request, columns, scored.predictions)
    return Value(
        metric=str(request),
        feedback=scored.feedback[columns.label],
        value=counted.value,
        count=counted.count,
        unit=metric.unit,
        signature=signature(request, ranker.protocol, scored.items, "exact" if lists is None else lists.search),
        cost=None if lists is None else lists.cost,
        parts=parts,
    )


def _rows(metric: RowMetric, columns: Columns, scored: ScoredLog) -> tuple[Tensor, Tensor, Tensor]:
    """Return score, label and user of the rows, as the metric needs them."""
    log, score = scored.log, scored.predictions.score
    label = log.label[:, columns.label]
    if "probability" in metric.needs and scored.predictions.log_probability is not None:
        score = scored.predictions.log_probability
    if "level" in metric.needs:
        level = torch.arange(1, log.label.shape[1] + 1, dtype=torch.uint8, device=log.label.device)
        label = (log.label * level).amax(1)
    return score[:, columns.score], label, log.user


def _of_vectors(metric: VectorMetric, request: Request, columns: Columns, predictions: Predictions) -> Counted:
    vectors = score_vectors(predictions.catalogue(columns.score))
    if vectors is None:
        raise UsageError(f"metric `{request}`: these scores are no inner products of vectors; leave it out")
    return metric.value(vectors.user, vectors.item)
