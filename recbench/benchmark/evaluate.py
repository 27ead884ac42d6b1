"""The only place where the test rows are opened."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import torch

from recbench.benchmark.model import build
from recbench.benchmark.scorer import Scorer
from recbench.benchmark.train import load_weights
from recbench.data.dataset import Dataset, Log, Positives, find_prepared, joined
from recbench.errors import DataError, UsageError, unknown
from recbench.evaluation.evaluate import Blocks, Predictions, Value, Vectors, evaluate
from recbench.evaluation.metric import Request, RowMetric
from recbench.evaluation.retrieval import IndexKind
from recbench.evaluation.signature import Protocol
from recbench.registry import import_recorded
from recbench.results.record import Evaluation, MetricValue, RunKey, RunRecord, now
from recbench.results.store import Store

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
    device: torch.device | str = "cpu",
) -> Outcome:
    """Score the test rows with a run's best weights, compute the metrics and add them to the run's results.

    A metric without a feedback is computed for every type the run was trained on; a run trained on a single type
    may be asked for any other. Raises UsageError or DataError in one line.
    """
    started = time.perf_counter()
    key = record.key
    import_recorded(record.imports, key.sources)
    whole = load_dataset(key, device)
    feedback = _asked(key, whole, requests)
    requests = [
        replace(request, feedback=name)
        for request in requests
        for name in ([request.feedback] if request.feedback else key.feedback)
    ]
    trained_on = whole.narrow(key.feedback)
    if key.settings["train.refit"]:
        trained_on = trained_on.with_valid()
    model = build(trained_on, key.loss, key.backbone, key.settings, key.seed, lr=1.0)
    load_weights(model, store.folder(key))
    scorer = Scorer(model.backbone, model.loss)

    data = whole.narrow(feedback)
    test = data.read("test")
    towers = [key.feedback.index(name) if name in key.feedback else 0 for name in data.feedback]
    predictions = _spread(scorer, test, towers)
    protocol = Protocol(
        data=f"{data.name}/{data.split}@{data.fingerprint[:12]}",
        part="test",
        seen="train+valid",
        candidates="rows" if candidates == "test" else "catalogue",
        index=index,
    )

    known = joined(data.train, data.valid)

    @cache
    def seen(column: int) -> Positives:
        return data.positives_of(known, column)

    values = evaluate(requests, test, data.feedback, predictions, seen, len(data.items), protocol)
    bound = _bound(requests, test, data, seen, protocol)
    store.add_evaluation(
        key,
        Evaluation(
            run=key.digest,
            values=[_stored(value) for value in values],
            when=now(),
            seconds=time.perf_counter() - started,
            options={"candidates": candidates, "index": index},
            bound=[_stored(value) for value in bound],
        ),
    )
    notes = [
        f"{request.metric}@{request.k} covers the whole catalogue of {len(data.items)} items"
        for request in requests
        if candidates == "catalogue" and request.k is not None and request.k >= len(data.items)
    ]
    return Outcome(record, values, bound, notes)


def load_dataset(key: RunKey, device: torch.device | str) -> Dataset:
    """Load the data a run was trained on; raises DataError if what is prepared now is something else."""
    data = Dataset.load(find_prepared(f"{key.dataset}/{key.split}"), device)
    if data.fingerprint != key.fingerprint:
        raise DataError(
            f"run {key.digest} was trained on {key.dataset}/{key.split}@{key.fingerprint[:12]}, but what is prepared "
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
        definition = request.definition
        if isinstance(definition, RowMetric) and definition.needs_probability:
            raise UsageError(f"metric `{request}`: run {key.digest} gives probabilities of {key.feedback[0]} only")
        names.append(name)
    return tuple(names)


def _spread(scorer: Scorer, log: Log, towers: list[int]) -> Predictions:
    """Arrange a model's scores by the columns of the log; a single-feedback model scores all alike."""
    own = scorer.predictions(log)
    log_probability = None if own.log_probability is None else own.log_probability[:, towers]
    return Predictions(own.score[:, towers], lambda column: own.catalogue(towers[column]), log_probability)


def _bound(requests: Sequence[Request], log: Log, data: Dataset, seen: Seen, protocol: Protocol) -> list[Value]:
    if log.truth is None:
        return []
    of_rows = [request for request in requests if isinstance(request.definition, RowMetric)]
    truth = Predictions(log.truth.double(), _no_catalogue, log.truth.double().log())
    return evaluate(of_rows, log, data.feedback, truth, seen, len(data.items), protocol)


def _no_catalogue(column: int) -> Vectors | Blocks:
    raise NotImplementedError("the true probabilities are known for logged rows only")


def _stored(value: Value) -> MetricValue:
    number = None if math.isnan(value.value) else value.value
    return MetricValue(value.metric, value.feedback, number, value.signature, value.count)
