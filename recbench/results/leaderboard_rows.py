"""Values of single runs to rows of the leaderboard: mean and spread over seeds."""

from __future__ import annotations

import math
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from recbench.errors import UsageError, unknown
from recbench.registry import BASELINE
from recbench.results.store import RunKey, RunRecord, Store
from recbench.settings import Value

LOWER = "better=lower"  # word of a signature, see evaluation.signature
RIGHT = "better=1"  # of a ratio


class Row(TypedDict):
    """One metric of one feedback under one signature, for runs that differ only in their seed."""

    dataset: str
    split: str
    fingerprint: str  # of the prepared data; numbers on different data do not compare
    loss: str
    backbone: str
    settings: str  # "logit=learned, lr=0.1": what is not the default; "" if nothing
    metric: str
    feedback: str
    mean: float | None  # None where the metric is undefined
    sd: float | None  # of the sample; None for one seed
    seeds: int
    values: list[float | None]  # of the single runs
    seconds: float  # of training, a mean over the runs
    curve: list[float]  # the selection metric on validation, a mean over the runs, as far as all of them went
    signature: str
    run: str
    runs: list[str]
    trained_on: list[str]
    best: bool  # the highest mean of its column, or, where compared, not to be told from it
    compared: bool  # whether it was compared with the best, user by user; see marks
    bound: float | None  # value that the true probabilities reach
    tested: int  # runs of this loss and backbone, of whatever settings, that have seen these test rows
    below: str  # the best baseline of the column that learned from no more rows, if it is better; "" if none is


COLUMNS = tuple(name for name in Row.__annotations__ if name != "curve")  # of tables for other programs


@dataclass(frozen=True)
class _Column:
    """Numbers that may be compared."""

    dataset: str
    split: str
    fingerprint: str
    feedback: str
    metric: str
    signature: str


@dataclass
class _Values:
    records: dict[str, RunRecord] = field(default_factory=dict)  # group → one of its runs
    trained: dict[str, RunRecord] = field(default_factory=dict)  # digest → run
    cells: dict[tuple[str, _Column], dict[str, float | None]] = field(default_factory=lambda: defaultdict(dict))
    bounds: dict[_Column, float | None] = field(default_factory=dict)

    def refit(self, row: Row) -> bool:
        """Whether the runs of a row have learned from validation rows too."""
        return bool(self.trained[row["run"]].key.settings.get("train.refit"))


def board(store: Store, dataset: str | None = None, metrics: Sequence[str] | None = None) -> list[Row]:
    """Return the rows of the leaderboard, best first within dataset, split, feedback, metric and signature.

    `metrics` are names ("recall@50"), with or without a feedback ("auc/click"), in the order to show.
    Raises UsageError for a dataset or metric that no run has, and if nothing was evaluated.
    """
    values = _collect(store, dataset)
    columns = _chosen({column for _, column in values.cells}, metrics)
    labels = _labels(values.records)
    tested: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for (group, _), of_run in values.cells.items():
        tested[_method(values.records[group].key)].update(of_run)
    rows = defaultdict(list)
    for (group, column), of_run in values.cells.items():
        if column in columns:
            key = values.records[group].key
            row = _row(key, labels[group], column, of_run)
            row["bound"] = values.bounds.get(column)
            row["tested"] = len(tested[_method(key)])
            trained = [values.trained[digest] for digest in of_run]
            row["seconds"] = statistics.fmean(record.seconds for record in trained)
            row["curve"] = _curve(trained)
            rows[column].append(row)
    for competing in rows.values():
        competing.sort(key=_rank)
        baselines = [row for row in competing if row["backbone"] == BASELINE]
        for row in competing:
            row["best"] = row["mean"] is not None and row["mean"] == competing[0]["mean"]
            refit = values.refit(row)
            baseline = next((other for other in baselines if refit or not values.refit(other)), None)
            if baseline is not None and row["backbone"] != BASELINE and row["mean"] is not None:
                row["below"] = baseline["loss"] if _rank(row)[0] > _rank(baseline)[0] else ""
    order = _feedback_order(values.records.values())
    return [row for column in sorted(rows, key=lambda column: _place(column, order, columns)) for row in rows[column]]


def best_means(rows: Sequence[Row]) -> str:
    """Return what being marked as best means in these rows; "" if nothing is beside it."""
    if len({row["run"] for row in rows if row["mean"] is not None}) < 2:
        return ""
    if not any(row["compared"] for row in rows):
        return "the best mean of a column; differences were not tested, for lack of the runs' scores"
    left = len({row["run"] for row in rows if not row["compared"] and row["mean"] is not None})
    untested = f"; {left} without their scores were not compared" if left else ""
    return f"the best mean of a column, and what a paired bootstrap over users cannot tell from it{untested}"


def _method(key: RunKey) -> tuple[str, ...]:
    return *key.place, key.loss, key.backbone


def _collect(store: Store, dataset: str | None) -> _Values:
    values, datasets = _Values(), set()
    for record, evaluations in store.runs():
        key = record.key
        datasets.add(key.dataset)
        if dataset not in (None, key.dataset):
            continue
        for evaluation in evaluations:
            values.records.setdefault(key.group, record)
            values.trained[key.digest] = record
            for value in evaluation.values:
                column = _column(key, value.feedback, value.metric, value.signature)
                values.cells[key.group, column][key.digest] = value.value
            for value in evaluation.bound:
                column = _column(key, value.feedback, value.metric, value.signature)
                values.bounds[column] = value.value
    if not datasets:
        raise UsageError(f"{store.root}: no runs to compare; run `recbench train`, then `recbench eval`")
    if dataset is not None and dataset not in datasets:
        raise unknown("dataset of a run", dataset, datasets)
    if not values.cells:
        raise UsageError(f"{store.root}: no run was evaluated yet; run `recbench eval`")
    return values


def _column(key: RunKey, feedback: str, metric: str, signature: str) -> _Column:
    return _Column(*key.place, feedback, metric, signature)


def _chosen(columns: set[_Column], metrics: Sequence[str] | None) -> dict[_Column, int]:
    """Return the columns that the filter keeps, with the position of each one's metric."""
    if not metrics:
        names = sorted({column.metric for column in columns}, key=_natural)
        return {column: names.index(column.metric) for column in columns}
    known = {column.metric for column in columns}
    of_feedback = {f"{column.metric}/{column.feedback}" for column in columns}
    for name in metrics:
        if name not in known | of_feedback:
            raise unknown("metric of these runs", name, of_feedback if "/" in name else known)
    places = {name: place for place, name in reversed(list(enumerate(metrics)))}
    chosen = {}
    for column in columns:
        fitting = {column.metric, f"{column.metric}/{column.feedback}"} & places.keys()
        if fitting:
            chosen[column] = min(places[name] for name in fitting)
    return chosen


def _row(key: RunKey, label: str, column: _Column, of_run: Mapping[str, float | None]) -> Row:
    mean, sd = _spread(list(of_run.values()))
    return Row(
        dataset=key.dataset,
        split=key.split,
        fingerprint=key.fingerprint,
        loss=key.loss,
        backbone=key.backbone,
        settings=label,
        metric=column.metric,
        feedback=column.feedback,
        mean=mean,
        sd=sd,
        seeds=len(of_run),
        values=list(of_run.values()),
        seconds=0.0,
        curve=[],
        signature=column.signature,
        run=next(iter(of_run)),
        runs=list(of_run),
        trained_on=list(key.feedback),
        best=False,
        compared=False,
        bound=None,
        tested=0,
        below="",
    )


def _curve(records: Sequence[RunRecord]) -> list[float]:
    """Return the mean validation curve, up to the epoch at which the first run stopped."""
    curves = ([epoch["metric"] for epoch in record.curve] for record in records)
    return [statistics.fmean(of_epoch) for of_epoch in zip(*curves, strict=False)]


def _spread(values: list[float | None]) -> tuple[float | None, float | None]:
    """Return mean and sample standard deviation; (None, None) if a value is undefined."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None, None
    mean = statistics.fmean(known)
    return mean, statistics.stdev(known, mean) if len(known) > 1 else None


def _rank(row: Row) -> tuple[float, str, str, str]:
    words = row["signature"].split("; ")
    if row["mean"] is None:
        score = math.inf
    elif RIGHT in words:
        score = abs(math.log(row["mean"])) if row["mean"] > 0 else math.inf
    else:
        score = row["mean"] if LOWER in words else -row["mean"]
    return score, row["loss"], row["backbone"], row["settings"]


def _place(column: _Column, order: Mapping[tuple[str, str], int], metrics: Mapping[_Column, int]) -> tuple[object, ...]:
    feedback = order.get((column.dataset, column.feedback), len(order))
    return (
        *(column.dataset, column.split, column.fingerprint, feedback, column.feedback),
        *(metrics[column], column.signature),
    )


def _feedback_order(records: Iterable[RunRecord]) -> dict[tuple[str, str], int]:
    """Return the place of each (dataset, feedback), dense to sparse as the runs on most types have it."""
    longest: dict[str, tuple[str, ...]] = {}
    for record in records:
        longest[record.key.dataset] = max(longest.get(record.key.dataset, ()), record.key.feedback, key=len)
    return {(dataset, name): place for dataset, names in longest.items() for place, name in enumerate(names)}


def _natural(metric: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", metric)]


def _labels(records: Mapping[str, RunRecord]) -> dict[str, str]:
    """Return a label per group: settings that are not the default, and what else tells it from others."""
    labels = {group: _setting_words(record.non_default) for group, record in records.items()}
    twins = defaultdict(list)
    for group, record in records.items():
        key = record.key
        twins[*_method(key), labels[group]].append(group)
    for groups in twins.values():
        facts = {group: _facts(records[group].key) for group in groups}
        for group, own in facts.items():
            words = [
                f"{name}={_word(value)}"
                for name, value in own.items()
                if any(other.get(name) != value for other in facts.values())
            ]
            labels[group] = ", ".join(filter(None, [labels[group], *words]))
    return labels


def _facts(key: RunKey) -> dict[str, Value]:
    facts: dict[str, Value] = {"trained_on": "+".join(key.feedback), "device": key.device}
    sources = {f"source of {name}": digest for name, digest in sorted(key.sources.items())}
    return facts | sources | dict(key.settings)


def _setting_words(settings: Mapping[str, Value]) -> str:
    short = [name.rpartition(".")[2] for name in settings]
    names = short if len(set(short)) == len(short) else list(settings)
    return ", ".join(f"{name}={_word(value)}" for name, value in zip(names, settings.values(), strict=True))


def _word(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
