"""One metric of several runs under one definition, and what to call the runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from recbench.errors import UsageError, require_known
from recbench.evaluation.request import parse
from recbench.results.record import Evaluation, RunRecord, of_all
from recbench.results.store import Store
from recbench.settings import Value, typed

Run = tuple[RunRecord, list[Evaluation]]
Part = Literal["test", "valid"]


@dataclass(frozen=True)
class Measured:
    """Values of one metric and feedback that may be compared."""

    title: str  # the feedback; several on validation, where the value is their mean
    axis: str  # "auc, test rows"
    signature: str  # of the values on test rows; "" on validation
    values: dict[str, float]  # by digest of the run


def runs_of(store: Store, dataset: str | None) -> list[Run]:
    """Return the runs of DATASET or DATASET/SPLIT, by default that of the run that finished last.

    Where it has been prepared more than once, those on the data of the last run. Raises UsageError if there are none.
    """
    runs = list(store.runs())
    names = {record.key.data for record, _ in runs} | {record.key.dataset for record, _ in runs}
    require_known("dataset of these runs", [dataset] if runs else [], names)
    fitting = [run for run in runs if run[0].key.is_on(dataset)]
    if not fitting:
        raise UsageError(f"{store.root}: no finished runs; run `recbench train`")
    last = max(fitting, key=lambda run: run[0].finished)[0].key
    return [run for run in fitting if run[0].key.place == last.place]


def measured(runs: Sequence[Run], metric: str, part: Part) -> list[Measured]:
    """Return the values of `metric`, as in auc or recall@50/buy, by feedback from dense to sparse.

    On test rows, of the definition that most of the runs have been evaluated by; on validation rows, of the metric that
    chose the epochs. Empty if no run has it; raises UsageError if it is no metric.
    """
    request = parse(metric)
    name = str(replace(request, feedback=None))
    if part == "valid":
        return _validated(runs, name, request.feedback)
    by_signature: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for record, evaluations in runs:
        for evaluation in evaluations:
            for value in evaluation.values:
                wanted = value.metric == name and request.feedback in (None, value.feedback)
                if wanted and value.value is not None:
                    by_signature[value.signature][value.feedback][record.key.digest] = value.value
    if not by_signature:
        return []
    counts = Counter({words: len(set().union(*by_feedback.values())) for words, by_feedback in by_signature.items()})
    signature = counts.most_common(1)[0][0]
    longest = max((record.key.feedback for record, _ in runs), key=len)
    order = {feedback: place for place, feedback in enumerate(longest)}
    feedbacks = sorted(by_signature[signature], key=lambda feedback: (order.get(feedback, len(order)), feedback))
    return [Measured(kind, f"{name}, test rows", signature, by_signature[signature][kind]) for kind in feedbacks]


def missing(metric: str) -> UsageError:
    """Return the error for a metric that none of the runs has."""
    return UsageError(f"no run has values of {metric}; run `recbench eval --metric {metric} --run …` on those to show")


def labels(records: Iterable[RunRecord], without: str = "") -> dict[str, str]:
    """Return what to call each group of runs that differ only in their seed, by `RunKey.group`.

    Loss and backbone, and the settings by which it differs from other groups of both, but for the setting `without`.
    """
    groups = {record.key.group: record.key for record in records}
    facts: dict[str, dict[str, Value]] = {
        group: {**key.settings, "feedback": "+".join(key.feedback), "device": key.device}
        for group, key in groups.items()
    }
    named = {}
    for group, key in groups.items():
        twins = [facts[other] for other, of_other in groups.items() if of_other.method == key.method]
        words = [
            f"{name.rpartition('.')[2]}={typed(value)}"
            for name, value in facts[group].items()
            if name != without and any(twin.get(name) != value for twin in twins)
        ]
        named[group] = ", ".join([key.method, *words])
    return named


def _validated(runs: Sequence[Run], name: str, feedback: str | None) -> list[Measured]:
    by_feedback: dict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
    for record, _ in runs:
        if record.select == name and feedback in (
            None,
            *(record.key.feedback if len(record.key.feedback) == 1 else ()),
        ):
            by_feedback[record.key.feedback][record.key.digest] = record.valid
    return [
        Measured(", ".join(kinds), f"{of_all(name, kinds)}, validation rows", "", by_feedback[kinds])
        for kinds in sorted(by_feedback)
    ]
