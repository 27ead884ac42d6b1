"""Metrics of the test rows. Beside this, only `export` and `plot angles --part test` open them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import torch

from recbench.data.dataset import Dataset, Positives, find_prepared, joined
from recbench.errors import DataError, UsageError, unknown
from recbench.evaluation.evaluate import ScoredLog, Value, evaluate
from recbench.evaluation.metric import Parts, RowMetric
from recbench.evaluation.predictions import CatalogueScores, Predictions
from recbench.evaluation.request import Request
from recbench.evaluation.retrieval import IndexKind
from recbench.evaluation.signature import GIVEN, Protocol
from recbench.registry import require_imported
from recbench.results import user_contributions as parts
from recbench.results.record import Evaluation, MetricValue, RunKey, RunRecord, now
from recbench.results.store import Store
from recbench.run import fit_baseline as fit
from recbench.run import kept_predictions
from recbench.run.collapse import collapse_note
from recbench.run.scorer import Scorer
from recbench.run.train import trained_model

Candidates = Literal["catalogue", "test"]
Seen = Callable[[int], Positives]


@dataclass(frozen=True)
class Outcome:
    """What `eval` found for one run."""

    record: RunRecord
    values: list[Value]
    bound: list[Value]  # what the true probabilities reach, where they are known
    notes: list[str]


def evaluate_run(
    record: RunRecord,
    store: Store,
    requests: Sequence[Request],
    *,
    candidates: Candidates = "catalogue",
    index: IndexKind = "flat",
    keep_seen: bool = False,
    device: torch.device | str = "cpu",
    rescore: bool = False,
    fitted: fit.BaselineModel | None = None,
) -> Outcome:
    """Score the test rows with a run's best weights, compute the metrics and add them to the run's results.

    The scores are kept beside the run, and taken from there the next time; to `rescore`, only from there. A baseline
    is fitted anew for them, unless it is given as `fitted`.

    A metric without a feedback is computed for every type the run was trained on; a run trained on a single type
    may be asked for any other. Of split `users`, the first rows of each test user are its history, and only the rest
    is scored. `keep_seen` leaves what a user has had before among the candidates. Raises UsageError or DataError in
    one line.
    """
    started = time.perf_counter()
    key = record.key
    require_imported(record.imports, key.sources)
    whole = load_dataset(key, "cpu" if key.is_baseline else device)
    feedback = _asked(key, whole, requests)
    wanted = [
        replace(request, feedback=name)
        for request in requests
        for name in ([request.feedback] if request.feedback else key.feedback)
    ]
    data = whole.narrow(feedback)
    given, test = data.halves(data.read("test"))
    known = joined(data.train, data.valid, given)
    own = [data.feedback.index(name) for name in key.feedback]
    folder = store.folder(key)
    ranks = any(_reads_vectors(request, candidates) for request in wanted)
    held = kept_predictions.load(folder, key.feedback, test, ranks)
    has_vectors = not key.is_baseline and (ranks or held is None)
    if held is None:
        if rescore:
            raise UsageError(f"run {key.digest} has no {'vectors' if ranks else 'scores'} that do; run `recbench eval`")
        if key.is_baseline:
            fitted = fitted or fit.fitted_model(key, whole.narrow(key.feedback))
            held = fitted.predictions(test, replace(given, label=given.label[:, own]))
        else:
            trained = trained_model(key, whole.narrow(key.feedback), folder)
            scorer = Scorer(trained.backbone, trained.loss, replace(known, label=known.label[:, own]))
            held = scorer.predictions(test)
        kept_predictions.save(folder, key.feedback, test, held)
    towers = [key.feedback.index(name) if name in key.feedback else 0 for name in data.feedback]
    protocol = Protocol(
        data=f"{data.name}/{data.split}@{data.fingerprint[:12]}",
        part="test",
        seen="" if keep_seen else "train+valid+history" if data.cold else "train+valid",
        candidates="rows" if candidates == "test" else "catalogue",
        index=index,
        history=GIVEN if data.cold else "",
    )

    @cache
    def seen(column: int) -> Positives:
        return data.positives_of(known[:0] if keep_seen else known, column)

    said = _spread(held, towers)
    scored = ScoredLog(test, data.feedback, said, seen, len(data.items))
    values = evaluate(wanted, scored, protocol, by_user=True)
    bound = _bound(wanted, scored, protocol)
    evaluation = Evaluation(
        run=key.digest,
        values=[_stored(value) for value in values],
        when=now(),
        seconds=time.perf_counter() - started,
        options={"candidates": candidates, "index": index, "seen": "kept" if keep_seen else "removed"},
        bound=[_stored(value) for value in bound],
    )
    store.add_evaluation(key, evaluation)
    parts.write_contributions(
        store, key, evaluation, {_place(value): _parts(value.parts) for value in values if value.parts}
    )
    notes = collapse_note(key, held) if has_vectors else []
    notes += [
        f"{request.metric}@{request.k} covers the whole catalogue of {len(data.items)} items"
        for request in requests
        if candidates == "catalogue" and request.k is not None and request.k >= len(data.items)
    ]
    return Outcome(record, values, bound, notes)


def _reads_vectors(request: Request, candidates: Candidates) -> bool:
    return "vectors" in request.metric.needs or (candidates == "catalogue" and request.k is not None)


def load_dataset(key: RunKey, device: torch.device | str) -> Dataset:
    """Load the data a run was trained on; raises DataError if what is prepared now is something else."""
    data = Dataset.load(find_prepared(key.data), device)
    if data.fingerprint != key.fingerprint:
        raise DataError(
            f"run {key.digest} was trained on {key.data}@{key.fingerprint[:12]}, but what is prepared "
            f"now is @{data.fingerprint[:12]}; prepare it as then, or train again"
        )
    return data


def _asked(key: RunKey, data: Dataset, requests: Sequence[Request]) -> tuple[str, ...]:
    """Return the trained feedback types and those that a metric names besides."""
    names = list(key.feedback)
    for request in requests:
        name = request.feedback
        if request.by is not None and request.by not in key.feedback:
            raise UsageError(
                f"metric `{request}`: run {key.digest} has no scores of {request.by}; "
                f"it was trained on {', '.join(key.feedback)}"
            )
        if name is None or name in names:
            continue
        if name not in data.feedback:
            raise unknown(f"feedback of {data.name}", name, data.feedback)
        if len(key.feedback) > 1:
            raise UsageError(
                f"metric `{request}`: run {key.digest} was trained on {', '.join(key.feedback)}; "
                f"train with --feedback {','.join([*key.feedback, name])}"
            )
        if "probability" in request.metric.needs:
            raise UsageError(f"metric `{request}`: run {key.digest} gives probabilities of {key.feedback[0]} only")
        names.append(name)
    return tuple(names)


def _spread(own: Predictions, towers: list[int]) -> Predictions:
    """Arrange a model's scores by the columns of the log; a single-feedback model scores all alike."""
    log_probability = None if own.log_probability is None else own.log_probability[:, towers]
    return Predictions(own.score[:, towers], lambda column: own.catalogue(towers[column]), log_probability)


def _bound(requests: Sequence[Request], scored: ScoredLog, protocol: Protocol) -> list[Value]:
    truth = scored.log.truth
    if truth is None:
        return []
    of_rows = [request for request in requests if not request.dialect and isinstance(request.metric, RowMetric)]
    predictions = Predictions(truth.double(), _no_catalogue, truth.double().log())
    return evaluate(of_rows, replace(scored, predictions=predictions), protocol)


def _no_catalogue(column: int) -> CatalogueScores:
    raise NotImplementedError("the true probabilities are known for logged rows only")


def _place(value: Value) -> parts.MetricKey:
    return value.metric, value.feedback, value.signature


def _parts(of_users: Parts) -> parts.UserContributions:
    return parts.UserContributions(*(column.cpu().numpy() for column in of_users))


def _stored(value: Value) -> MetricValue:
    number = None if math.isnan(value.value) else value.value
    return MetricValue(value.metric, value.feedback, number, value.signature, value.count)
