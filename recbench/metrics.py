"""The metrics of recbench, and of other libraries as dialects, on anybody's scores.

Scores, labels and relevance are numpy arrays, torch tensors, polars columns or lists; the higher a score, the better.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from recbench.api.public import public
from recbench.data.dataset import Log, Positives
from recbench.errors import UsageError
from recbench.evaluation.evaluate import ScoredLog, Value, evaluate
from recbench.evaluation.predictions import BlockScores, Predictions
from recbench.evaluation.request import Request, parse
from recbench.evaluation.signature import Protocol

__all__ = [
    *("auc", "average_precision", "gauc", "hit_rate", "log_loss", "mrr", "ndcg", "of_rows", "precision", "recall"),
    "top_k",
]

Numbers = Any  # of numpy, torch or polars, or a list


@public
def of_rows(
    metric: str,
    scores: Numbers,
    labels: Numbers,
    users: Numbers | None = None,
    *,
    probabilities: bool = False,
    dialect: str | None = None,
) -> Value:
    """Compute a metric of scored rows: "auc", "gauc(mean)", or of each user's own rows ranked, "ndcg@10".

    `scores` [R]; `labels` [R] 0 or 1; `users` [R] of any values, needed by metrics of users. With `probabilities`,
    `scores` are these, as "logloss" needs. `dialect` is a library of `recbench list dialects` whose definition holds.
    Raises UsageError if the shapes differ, a score is NaN, or the metric needs more than this.

        rb.metrics.of_rows("gauc(mean)", [0.9, 0.2, 0.4], [1, 0, 1], users=["ann", "ann", "bob"]).value
    """
    score, label = _scores(scores).double(), _zeros_and_ones(labels, "labels")
    if score.ndim != 1 or score.shape != label.shape:
        raise UsageError(f"scores {tuple(score.shape)} and labels {tuple(label.shape)}: expected one shape [R]")
    if probabilities and not ((score >= 0) & (score <= 1)).all():
        raise UsageError("scores: expected probabilities from 0 to 1")
    request = parse(metric, dialect)
    if users is None and request.metric.unit == "users":
        raise UsageError(f"metric `{metric}` looks at single users; give users [R]")
    user = torch.zeros(len(score), dtype=torch.long) if users is None else _numbered(users)
    if user.shape != score.shape:
        raise UsageError(f"users {tuple(user.shape)}: expected the shape of scores {tuple(score.shape)}")
    log = Log(user, torch.arange(len(score)), label[:, None].to(torch.uint8))
    log_probability = score.log()[:, None] if probabilities else None
    predictions = Predictions(score[:, None], _no_catalogue, log_probability)
    return _compute(request, log, predictions, _none_seen(log, len(score)), len(score), "rows")


@public
def top_k(
    metric: str, scores: Numbers, relevant: Numbers, *, seen: Numbers | None = None, dialect: str | None = None
) -> Value:
    """Compute a metric of each user's first k items, such as "recall@20", from the scores of all items.

    `scores` [users, items]; `relevant` [users, items] 0 or 1; pairs of `seen` [users, items] are not ranked. Users
    without a relevant item do not count, equal scores rank in the order of items.
    Raises UsageError if the shapes differ, a score is NaN, or the metric is none of the first k items.

        rb.metrics.top_k("recall@2", [[0.9, 0.2, 0.4]], [[1, 0, 1]], seen=[[0, 1, 0]]).value
    """
    score, hit = _scores(scores), _zeros_and_ones(relevant, "relevant").bool()
    known = torch.zeros_like(hit) if seen is None else _zeros_and_ones(seen, "seen").bool()
    if score.ndim != 2 or not score.shape == hit.shape == known.shape:
        shapes = ", ".join(str(tuple(part.shape)) for part in (score, hit, known))
        raise UsageError(f"scores, relevant and seen have shapes {shapes}: expected one shape [users, items]")
    if not score.shape[1]:
        raise UsageError("scores: expected at least one item")
    request = parse(metric, dialect)
    if request.k is None:
        raise UsageError(f"metric `{metric}` is of scored rows; use of_rows")
    if request.ranking_rules("catalogue").candidates != "catalogue":
        raise UsageError(f"metric `{metric}` of {dialect} ranks each user's own rows; use of_rows")
    users, items = score.shape
    user, item = hit.nonzero(as_tuple=True)
    log = Log(user, item, torch.ones(len(user), 1, dtype=torch.uint8))
    catalogue = BlockScores(lambda block: score[block], items)
    predictions = Predictions(score[user, item][:, None], lambda _: catalogue)
    pairs = known.nonzero()
    left_out = Positives.from_pairs(pairs[:, 0], pairs[:, 1], users, items)
    return _compute(request, log, predictions, left_out, items, "catalogue")


def recall(scores: Numbers, relevant: Numbers, k: int = 20, *, seen: Numbers | None = None) -> float:
    """Share of a user's relevant items among the first k, a mean over users; arguments as in `top_k`."""
    return top_k(f"recall@{k}", scores, relevant, seen=seen).value


def precision(scores: Numbers, relevant: Numbers, k: int = 20, *, seen: Numbers | None = None) -> float:
    """Share of the first k that is relevant, a mean over users; arguments as in `top_k`."""
    return top_k(f"precision@{k}", scores, relevant, seen=seen).value


def hit_rate(scores: Numbers, relevant: Numbers, k: int = 20, *, seen: Numbers | None = None) -> float:
    """Share of users with a relevant item among the first k; arguments as in `top_k`."""
    return top_k(f"hr@{k}", scores, relevant, seen=seen).value


def ndcg(scores: Numbers, relevant: Numbers, k: int = 20, *, seen: Numbers | None = None) -> float:
    """Discounted gain of the first k over the best attainable, a mean over users; arguments as in `top_k`."""
    return top_k(f"ndcg@{k}", scores, relevant, seen=seen).value


def mrr(scores: Numbers, relevant: Numbers, k: int = 20, *, seen: Numbers | None = None) -> float:
    """One over the rank of the first relevant item, 0 beyond k, a mean over users; arguments as in `top_k`."""
    return top_k(f"mrr@{k}", scores, relevant, seen=seen).value


def average_precision(scores: Numbers, relevant: Numbers, k: int = 20, *, seen: Numbers | None = None) -> float:
    """Average precision of the first k (MAP), a mean over users; arguments as in `top_k`."""
    return top_k(f"map@{k}", scores, relevant, seen=seen).value


def auc(scores: Numbers, labels: Numbers) -> float:
    """Probability that a positive row scores above a negative one, ties counting half; arguments as in `of_rows`.

    NaN where all labels are equal.
    """
    return of_rows("auc", scores, labels).value


def gauc(scores: Numbers, labels: Numbers, users: Numbers) -> float:
    """AUC within each user, weighed by their rows; arguments as in `of_rows`."""
    return of_rows("gauc", scores, labels, users).value


def log_loss(probabilities: Numbers, labels: Numbers) -> float:
    """Mean negative log-probability of the labels; arguments as in `of_rows`."""
    return of_rows("logloss", probabilities, labels, probabilities=True).value


def __dir__() -> list[str]:
    return __all__


def _tensor(numbers: Numbers, name: str) -> Tensor:
    """Return numbers as a dense tensor; Python's own keep the double precision that torch would round off."""
    if hasattr(numbers, "to_numpy"):  # of polars or pandas
        numbers = numbers.to_numpy()
    _require_unmasked(numbers, name)
    try:
        if isinstance(numbers, list | tuple):
            numbers = np.array(numbers)
        if isinstance(numbers, np.ndarray):  # torch takes none that is read-only, backwards or of the other byte order
            numbers = np.require(numbers, numbers.dtype.newbyteorder("="), ("C", "W"))
        tensor: Tensor = torch.as_tensor(numbers).to_dense()
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{name}: expected numbers, found {type(numbers).__name__} ({error})") from error
    if tensor.is_complex():
        raise UsageError(f"{name}: expected real numbers, found complex ones")
    return tensor.detach().cpu()


def _require_unmasked(numbers: Numbers, name: str) -> None:
    """Raise UsageError for a masked array, or one in a list, whose mask would be lost."""
    for part in numbers if isinstance(numbers, list | tuple) else [numbers]:
        if isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part):
            raise UsageError(f"{name}: {part.mask.sum()} of {part.size} are masked; leave them out")


def _scores(numbers: Numbers) -> Tensor:
    score = _tensor(numbers, "scores")
    score = score if score.is_floating_point() else score.double()
    if score.isnan().any():
        raise UsageError(f"scores: {int(score.isnan().sum())} of {score.numel()} are not a number (NaN)")
    return score


def _zeros_and_ones(numbers: Numbers, name: str) -> Tensor:
    tensor = _tensor(numbers, name)
    if not ((tensor == 0) | (tensor == 1)).all():
        raise UsageError(f"{name}: expected 0 and 1; of ratings, say which count, as in `ratings >= 4`")
    return tensor


def _numbered(users: Numbers) -> Tensor:
    """Return users of any values numbered from 0, [R]."""
    _require_unmasked(users, "users")
    if isinstance(users, Tensor):
        number: Tensor = users.unique(return_inverse=True)[1]
        return number.cpu()
    first: dict[object, int] = {}
    try:
        return torch.tensor([first.setdefault(user, len(first)) for user in users], dtype=torch.long)
    except TypeError as error:
        raise UsageError(f"users: expected one value a row [R], found {type(users).__name__} ({error})") from error


def _none_seen(log: Log, items: int) -> Positives:
    none = log.user[:0]
    return Positives.from_pairs(none, none, int(log.user.max()) + 1 if len(log) else 1, items)


def _no_catalogue(column: int) -> BlockScores:
    raise UsageError("this metric ranks all items, and only rows are scored; use top_k")


def _compute(
    request: Request,
    log: Log,
    predictions: Predictions,
    seen: Positives,
    items: int,
    candidates: Literal["catalogue", "rows"],
) -> Value:
    protocol = Protocol("scores", "test", seen="seen", candidates=candidates)
    scored = ScoredLog(log, ("relevant",), predictions, lambda _: seen, items, train=lambda _: seen)
    return evaluate([request], scored, protocol)[0]
