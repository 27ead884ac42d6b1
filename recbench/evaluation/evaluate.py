"""All the metrics of one log for one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recbench.data.dataset import Log, Positives
from recbench.errors import UsageError, unknown
from recbench.evaluation.candidates import Hits, exhaustive, within
from recbench.evaluation.metric import Counted, Parts, Request, RowMetric, TopKMetric, VectorMetric
from recbench.evaluation.pairs import contains, restrict, without
from recbench.evaluation.predictions import BlockScores, Predictions, score_vectors
from recbench.evaluation.retrieval import SearchCost, compare, search
from recbench.evaluation.signature import Protocol, signature

_USERS = 4096  # in a block of top-k metrics


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


@dataclass(frozen=True)
class Ranked:
    """Columns of the feedback that is relevant, and of the one whose scores rank."""

    column: int
    by: int


@dataclass(frozen=True)
class Top:
    """The hits of one feedback at the largest k."""

    hits: Hits
    search: str = "exact"
    cost: SearchCost | None = None
    length: Tensor | None = None  # [U] items of the catalogue that there were to list, k at most


def evaluate(
    requests: Sequence[Request],
    log: Log,
    feedback: Sequence[str],
    predictions: Predictions,
    seen: Positives | Callable[[int], Positives],
    items: int,
    protocol: Protocol,
    by_user: bool = False,
) -> list[Value]:
    """Compute each metric for each of its feedback types, in the order of the requests; repeated ones once.

    `feedback` names the T columns of `log.label`; `seen` holds the pairs of all users that the catalogue
    search leaves out, for every feedback or as a function of its column. One exact search per
    feedback serves all cut-offs; an approximate one is made for each, since what it finds depends on how far it
    looks. With `by_user`, values carry what each user adds to them. Raises UsageError as `expand` does, before any
    work, and for a metric of vectors where there are none.
    """
    wanted = expand(requests, feedback, probability=predictions.log_probability is not None)
    largest: dict[Ranked, int] = {}
    for request, ranked in wanted:
        if request.k is not None:
            largest[ranked] = max(largest.get(ranked, 0), request.k)

    def depth(request: Request, ranked: Ranked) -> int:
        return largest[ranked] if protocol.index == "flat" or request.k is None else request.k

    searches = dict.fromkeys((ranked, depth(request, ranked)) for request, ranked in wanted if request.k is not None)
    tops = {
        (ranked, k): top_hits(
            ranked, k, log, predictions, seen(ranked.column) if callable(seen) else seen, items, protocol
        )
        for ranked, k in searches
    }

    values = []
    for request, ranked in wanted:
        metric, column = request.definition, ranked.column
        if isinstance(metric, RowMetric):
            top, rows = None, _rows(metric, ranked, log, predictions)
            number, parts = metric.value(*rows), metric.parts(*rows) if by_user else None
        elif isinstance(metric, VectorMetric):
            top, parts, own = None, None, score_vectors(predictions, ranked.by)
            if own is None:
                raise UsageError(f"metric `{request}`: these scores are no inner products of vectors; leave it out")
            number = metric.value(own.user, own.item)
        else:
            top = tops[ranked, depth(request, ranked)]
            users = _users(metric, request.k, top.hits)
            number = Counted(float(users.mean()), len(users))
            parts = Parts(top.hits.user, users, torch.ones_like(users)) if by_user else None
        values.append(
            Value(
                metric=str(request),
                feedback=feedback[column],
                value=number.value,
                count=number.count,
                unit=metric.unit,
                signature=signature(request, protocol, items, top.search if top else "exact"),
                cost=top.cost if top else None,
                parts=parts,
            )
        )
    return values


def expand(requests: Sequence[Request], feedback: Sequence[str], probability: bool) -> list[tuple[Request, Ranked]]:
    """Return each request with the columns of each of its feedback types, without repetitions.

    Raises UsageError for a feedback that is not among `feedback`, and for a metric of probabilities where the
    model gives none.
    """
    wanted: dict[tuple[Request, Ranked], None] = {}
    columns = {name: column for column, name in enumerate(feedback)}
    for request in requests:
        metric = request.definition
        if isinstance(metric, RowMetric) and metric.needs_probability and not probability:
            raise UsageError(
                f"metric `{request}` needs probabilities, which this loss does not give; choose auc instead"
            )
        for name in (request.feedback, request.by):
            if name is not None and name not in feedback:
                raise unknown("feedback", name, feedback)
        for name in feedback if request.feedback is None else [request.feedback]:
            by = None if request.by == name else request.by  # ranked by its own scores is what every metric is
            wanted[replace(request, feedback=None, by=by), Ranked(columns[name], columns[by or name])] = None
    return list(wanted)


def _rows(metric: RowMetric, ranked: Ranked, log: Log, predictions: Predictions) -> tuple[Tensor, Tensor, Tensor]:
    """Return score, label and user of the rows, as the metric wants them."""
    score, label = predictions.score, log.label[:, ranked.column]
    if metric.needs_probability and predictions.log_probability is not None:
        score = predictions.log_probability
    if metric.needs_level:
        rank = torch.arange(1, log.label.shape[1] + 1, dtype=torch.uint8, device=log.label.device)
        label = (log.label * rank).amax(1)
    return score[:, ranked.by], label, log.user


def _users(metric: TopKMetric, k: int | None, hits: Hits) -> Tensor:
    """Return the metric of each user, [U]."""
    blocks = zip(torch.split(hits.hit[:, :k], _USERS), torch.split(hits.relevant, _USERS), strict=True)
    return torch.cat([metric.values(hit, relevant) for hit, relevant in blocks])


def top_hits(
    ranked: Ranked,
    k: int,
    log: Log,
    predictions: Predictions,
    seen: Positives,
    items: int,
    protocol: Protocol,
) -> Top:
    """Return the first k items of each user with a relevant one, and which of them are relevant."""
    if protocol.candidates == "rows":
        return Top(within(predictions.score[:, ranked.by], log.label[:, ranked.column], log.user, log.item, k))
    seen = Positives(seen.start.cpu(), seen.item.cpu())
    row = log.label[:, ranked.column].nonzero()[:, 0]
    positives = Positives.of(log.user[row].cpu(), log.item[row].cpu(), len(seen.start) - 1, items)
    relevant = without(positives, seen, items)
    user = relevant.start.diff().nonzero()[:, 0]
    relevant, mine = restrict(relevant, user), restrict(seen, user)

    scores = predictions.catalogue(ranked.by)
    reach = min(k, items)
    searched, cost = "exact", None
    if isinstance(scores, BlockScores):
        ranking = exhaustive(scores.score, user, scores.items, reach, mine)
    elif protocol.index == "flat":
        ranking = search(scores.user[user.to(scores.user.device)], scores.item, reach, mine)
    else:
        query = scores.user[user.to(scores.user.device)]
        ranking, cost = compare(query, scores.item, reach, mine, protocol.index)
        searched = protocol.index
    hit = torch.zeros(len(user), k, dtype=torch.bool)
    for rows in torch.arange(len(user)).split(_USERS):
        hit[rows, :reach] = contains(relevant, rows.unsqueeze(1), ranking.item[rows], items)
    return Top(Hits(hit, relevant.start.diff(), user), searched, cost, (ranking.item >= 0).sum(1))
