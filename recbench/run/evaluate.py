"""Metrics of the test rows. Beside this, only `export` and `plot angles --part test` open them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch

from recbench.backbones.base import BACKBONES
from recbench.data.dataset import Dataset, Log, Positives, concat_logs
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import DataError, UsageError, unknown
from recbench.evaluation.candidate_sets import CandidateSet, SampledCandidates
from recbench.evaluation.evaluate import ScoredLog, Value, evaluate
from recbench.evaluation.index import parse_index
from recbench.evaluation.metric import RowMetric
from recbench.evaluation.predictions import CatalogueScores, Predictions
from recbench.evaluation.request import Request
from recbench.evaluation.signature import Protocol, signature
from recbench.registry import require_imported
from recbench.results.record import Evaluation, MetricValue, RunKey, RunRecord, now
from recbench.results.store import Store
from recbench.results.user_contributions import UserContributions, write_contributions
from recbench.run import kept_predictions
from recbench.run.candidates import BIASED, candidate_set
from recbench.run.fitted import Fitted, restore
from recbench.settings import owned_by
from recbench.training.distributed.evaluation import SharedEvaluation
from recbench.training.ranks import current
from recbench.training.scorer import collapse_note


@dataclass(frozen=True, kw_only=True)
class EvalOptions:
    """How the test rows of a run are scored and ranked."""

    candidates: str = "catalogue"  # what is ranked; see `candidates.candidate_set`
    index: str = "flat"  # how the catalogue is searched; see `index.parse_index`
    keep_seen: bool = False  # leave what a user has had before among the candidates
    rescore: bool = False  # from the scores that an earlier evaluation kept, without the model
    only_missing: bool = False  # leave out what is on record by the same definition, of which nothing is returned
    device: torch.device | str = "cpu"


@dataclass(frozen=True)
class EvaluatedRun:
    """The evaluation of one run."""

    record: RunRecord
    values: list[Value]
    bound: list[Value]  # what the true probabilities reach, where they are known
    notes: list[str]


@dataclass(frozen=True)
class _HeldOut:
    """The test rows of a run, and what is known of their users."""

    own: Dataset  # with the feedback types that the run was trained on
    data: Dataset  # with these, and those that a metric names besides
    log: Log  # the rows to score, with the labels of `data`
    given: Log  # earlier test rows of new users; see Dataset.given_and_scored
    candidates: CandidateSet  # what is ranked
    new_users: str  # how the model makes their vectors, where it has to

    @property
    def given_own(self) -> Log:
        """The given rows with the labels of the run's own feedback types."""
        columns = [self.data.feedback.index(name) for name in self.own.feedback]
        return replace(self.given, label=self.given.label[:, columns])


def evaluate_run(
    record: RunRecord,
    store: Store,
    requests: Sequence[Request],
    options: EvalOptions = EvalOptions(),  # noqa: B008
    fitted: Fitted | None = None,
    data: Dataset | None = None,
) -> EvaluatedRun:
    """Score the test rows with a run's best weights, compute the metrics and add them to the run's results.

    The scores are kept beside the run, and taken from there the next time; to `rescore`, only from there. What the run
    fitted is restored for them, unless it is given as `fitted`; its dataset is read, unless it is given as `data`.

    A metric without a feedback is computed for every type the run was trained on; a run trained on a single type
    may be asked for any other. Of split `users`, the first rows of each test user are its history, and only the rest
    is scored. Raises UsageError or DataError in one line.
    """
    started = time.perf_counter()
    key = record.key
    require_imported(record.imports, key.sources, key.digest)
    requests = [
        replace(request, feedback=name)
        for request in requests
        for name in ([request.feedback] if request.feedback else key.feedback)
    ]
    if data is None:
        data = load_dataset(key, "cpu" if key.is_baseline else options.device)
    held_out = _gather(key, _trained_on(key, data), requests, options)
    if options.only_missing:
        requests = _missing(requests, store.evaluations(key), held_out, options)
        if not requests:
            return EvaluatedRun(record, [], [], [])
    predictions, notes = _score(key, held_out, requests, store, options, fitted)
    values, bound = _measure(held_out, predictions, requests, options)
    evaluation = Evaluation(
        run=key.digest,
        values=[_stored(value) for value in values],
        when=now(),
        seconds=time.perf_counter() - started,
        options={
            "candidates": options.candidates,
            "index": options.index,
            "seen": "kept" if options.keep_seen else "removed",
        },
        bound=[_stored(value) for value in bound],
    )
    if current().first:
        _keep(store, key, evaluation, values)
    items = len(held_out.data.items)
    deep = [request for request in requests if options.candidates == "catalogue" and (request.k or 0) >= items]
    if isinstance(held_out.candidates, SampledCandidates) and any(request.k for request in requests):
        notes.append(BIASED)
    notes += [f"{request.name}@{request.k} covers the whole catalogue of {items} items" for request in deep]
    notes += [f"vectors of new users: {held_out.new_users}"] if held_out.new_users else []
    return EvaluatedRun(record, values, bound, list(dict.fromkeys(notes)))


def _gather(key: RunKey, whole: Dataset, requests: Sequence[Request], options: EvalOptions) -> _HeldOut:
    """Read the test rows of a run on this dataset."""
    data = whole.narrow(_feedback_types(key, whole, requests))
    given, log = data.given_and_scored(data.read("test"))
    new_users = ""
    if data.new_test_users and not key.is_baseline:
        new_users = BACKBONES.get(key.backbone).of_new_users(owned_by("backbone", key.settings))
    return _HeldOut(whole.narrow(key.feedback), data, log, given, candidate_set(options.candidates, data), new_users)


def _missing(
    requests: Sequence[Request], evaluations: Sequence[Evaluation], held_out: _HeldOut, options: EvalOptions
) -> list[Request]:
    """Return the requests, each of one feedback, of which no evaluation has a value by the same definition."""
    protocol, items = _protocol(held_out, options), len(held_out.data.items)
    present = {(value.feedback, value.signature) for done in evaluations for value in done.values}
    return [request for request in requests if (request.feedback, signature(request, protocol, items)) not in present]


def _protocol(held_out: _HeldOut, options: EvalOptions) -> Protocol:
    return Protocol.of(
        held_out.data,
        "test",
        keep_seen=options.keep_seen,
        candidates=held_out.candidates,
        index=parse_index(options.index),
    )


def _score(
    key: RunKey,
    held_out: _HeldOut,
    requests: Sequence[Request],
    store: Store,
    options: EvalOptions,
    fitted: Fitted | None,
) -> tuple[Predictions, list[str]]:
    """Return the run's predictions by its own feedback types, kept ones where they are enough, and notes on them."""
    folder = store.folder(key)
    ranks = any(_reads_vectors(request, held_out.candidates) for request in requests)
    predictions, notes = None, []
    try:
        predictions = kept_predictions.load(folder, key.feedback, held_out.log, ranks)
    except DataError as error:
        if options.rescore:
            raise
        notes.append(f"{str(error).removesuffix(kept_predictions.REMEDY)}computed again")
    if current().any(predictions is None):
        predictions = None
    opens_model = predictions is None
    if predictions is None:
        if options.rescore:
            needed = "vectors" if ranks else "scores"
            raise UsageError(f"run {key.digest} kept no {needed} to compute this from; run `recbench eval`")
        fitted = fitted or restore(key, held_out.own, folder)
        predictions = fitted.predictions(held_out.log, held_out.given_own)
        if current().first:
            kept_predictions.save(folder, key.feedback, held_out.log, predictions)
    if not key.is_baseline and (ranks or opens_model):
        notes += collapse_note(key, predictions.catalogue)
    return predictions, notes


def _reads_vectors(request: Request, candidates: CandidateSet) -> bool:
    if request.k is None:
        return "vectors" in request.metric.needs
    return request.ranking_rules(candidates).candidates != "rows"


def _measure(
    held_out: _HeldOut, predictions: Predictions, requests: Sequence[Request], options: EvalOptions
) -> tuple[list[Value], list[Value]]:
    """Return the metrics, and those of rows that the true probabilities reach where these are known."""
    data = held_out.data
    known = concat_logs(data.train, data.valid, held_out.given)
    protocol = _protocol(held_out, options)

    @cache
    def seen(column: int) -> Positives:
        return data.positives_of(known[:0] if options.keep_seen else known, column)

    spread = _by_columns_of(data, held_out.own, predictions)
    scored = ScoredLog(
        held_out.log,
        data.feedback,
        spread,
        seen,
        len(data.items),
        train=lambda column: data.positives_of(data.train, column),
        item_vectors=data.items.dense,
        lists_by=SharedEvaluation(current()) if current().size > 1 else None,
    )
    values = evaluate(requests, scored, protocol, by_user=True)
    truth = held_out.log.truth
    if truth is None:
        return values, []
    of_rows = [request for request in requests if not request.dialect and isinstance(request.metric, RowMetric)]
    perfect = Predictions(truth.double(), _no_catalogue, truth.double().log())
    return values, evaluate(of_rows, replace(scored, predictions=perfect), protocol)


def _by_columns_of(data: Dataset, own: Dataset, predictions: Predictions) -> Predictions:
    """Arrange a model's scores by the feedback of `data`; a model of a single feedback scores all alike."""
    column_of = [own.feedback.index(name) if name in own.feedback else 0 for name in data.feedback]
    log_probability = predictions.log_probability
    return Predictions(
        predictions.score[:, column_of],
        lambda column: predictions.catalogue(column_of[column]),
        None if log_probability is None else log_probability[:, column_of],
    )


def _keep(store: Store, key: RunKey, evaluation: Evaluation, values: Sequence[Value]) -> None:
    """Add the evaluation to the run's results, and what each user contributes to its values."""
    store.add_evaluation(key, evaluation)
    contributions = {
        (value.metric, value.feedback, value.signature): UserContributions(*(c.cpu().numpy() for c in value.parts))
        for value in values
        if value.parts is not None and not math.isnan(value.value)  # undefined, so that nobody adds a number to it
    }
    write_contributions(store, key, evaluation, contributions)


def load_dataset(key: RunKey, device: torch.device | str) -> Dataset:
    """Load the data a run was trained on; raises DataError if what is prepared now is something else."""
    return _trained_on(key, Dataset.load(find_prepared(key.data), device))


def _trained_on(key: RunKey, data: Dataset) -> Dataset:
    """Return the data as they are; raises DataError unless the run was trained on them."""
    if data.fingerprint != key.fingerprint:
        raise DataError(
            f"run {key.digest} was trained on {key.data}@{key.fingerprint[:12]}, but what is prepared "
            f"now is @{data.fingerprint[:12]}; prepare it as then, or train again"
        )
    return data


def _feedback_types(key: RunKey, data: Dataset, requests: Sequence[Request]) -> tuple[str, ...]:
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


def _no_catalogue(column: int) -> CatalogueScores:
    raise NotImplementedError("the true probabilities are known for logged rows only")


def _stored(value: Value) -> MetricValue:
    number = None if math.isnan(value.value) else value.value
    return MetricValue(value.metric, value.feedback, number, value.signature, value.count)
