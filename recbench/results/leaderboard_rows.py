"""The rows of the leaderboard: mean and spread over seeds of every metric that runs were evaluated with."""

from __future__ import annotations

import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from recbench.errors import UsageError, require_known
from recbench.evaluation.better import better_of
from recbench.registry import BASELINE
from recbench.results.record import RunKey, RunRecord, method_name
from recbench.results.setting_choice import REFIT, SettingChoice, purpose, setting_labels
from recbench.results.store import Store


class Column(NamedTuple):
    """Numbers that may be compared: one metric of one feedback on the same data, by one definition."""

    dataset: str
    split: str
    fingerprint: str
    feedback: str
    metric: str
    signature: str

    @property
    def lower_is_better(self) -> bool:
        """Whether the best number is the lowest."""
        return better_of(self.signature) == "low"


class Method(NamedTuple):
    """Runs that differ only in their seed, as people name them."""

    loss: str
    backbone: str
    settings: str  # "logit=learned, lr=0.1": those that differ from their defaults

    @property
    def name(self) -> str:
        """Loss and backbone in words, without the settings."""
        return method_name(self.loss, self.backbone)


class LeaderboardRow(msgspec.Struct, frozen=True):
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
    best: bool  # the best mean of its column or, where compared, not distinguishable from it
    compared: bool  # whether it was compared with the best, user by user; see marks
    bound: float | None  # value that the true probabilities reach
    tested: int  # runs of this loss and backbone, of whatever settings, that have seen these test rows
    below: str  # the best baseline of the column that learned from no more rows, if better and told apart; else ""
    select: str  # the metric on validation rows that chose the epochs
    valid: float  # that metric, a mean over the runs
    chosen: bool  # whether no other setting of the method is better on validation, for what the metric measures
    settings_tried: int  # of the method on these data, evaluated or not
    refit: bool  # whether the runs have learned from validation rows too
    to_best_low: float | None = None  # where compared: the mean less the best mean, 95 % interval over users and seeds
    to_best_high: float | None = None
    still_rising: bool = False  # whether a run ended at its best epoch, the last it was given

    @property
    def column(self) -> Column:
        """The numbers that this one may be compared with."""
        return Column(self.dataset, self.split, self.fingerprint, self.feedback, self.metric, self.signature)

    @property
    def method(self) -> Method:
        """The method that the row belongs to."""
        return Method(self.loss, self.backbone, self.settings)


COLUMNS = tuple(name for name in LeaderboardRow.__struct_fields__ if name != "curve")  # of tables for other programs


@dataclass
class _Measured:
    """What all runs were evaluated with."""

    records: dict[str, RunRecord] = field(default_factory=dict)  # digest → run
    groups: dict[str, RunRecord] = field(default_factory=dict)  # group → one of its runs
    values: dict[tuple[str, Column], dict[str, float | None]] = field(default_factory=lambda: defaultdict(dict))
    bounds: dict[Column, float | None] = field(default_factory=dict)
    choice: SettingChoice = field(default_factory=SettingChoice)


def collect_rows(
    store: Store, dataset: str | None = None, metrics: Sequence[str] | None = None
) -> list[LeaderboardRow]:
    """Return the rows of the leaderboard, best first within dataset, split, feedback, metric and signature.

    `metrics` are names ("recall@50"), with or without a feedback ("auc/click"), in the order to show.
    Raises UsageError for a dataset (or DATASET/SPLIT) or metric that no run has, and if nothing was evaluated.
    """
    measured = _measured(store, dataset)
    positions = _metric_positions({column for _, column in measured.values}, metrics)
    labels = setting_labels(measured.groups)
    tested: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for (group, _), by_run in measured.values.items():
        tested[_data_and_method(measured.groups[group].key)].update(by_run)
    chosen = _chosen(measured)
    columns = defaultdict(list)
    for (group, column), by_run in measured.values.items():
        if column in positions:
            runs = len(tested[_data_and_method(measured.groups[group].key)])
            columns[column].append(_row(measured, labels[group], column, by_run, runs, (group, column) in chosen))
    order = _feedback_order(measured.groups.values())

    def place(column: Column) -> tuple[object, ...]:
        feedback = order.get((column.dataset, column.feedback), len(order))
        return (*column[:3], feedback, column.feedback, positions[column], column.signature)

    return [row for column in sorted(columns, key=place) for row in _marked(columns[column])]


def _data_and_method(key: RunKey) -> tuple[str, ...]:
    return *key.place, key.loss, key.backbone


def _measured(store: Store, dataset: str | None) -> _Measured:
    measured, datasets, hidden = _Measured(), set(), frozenset(store.labels.hidden)
    for record, evaluations in store.runs():
        key = record.key
        datasets |= {key.dataset, key.data}
        if not key.is_on(dataset) or key.digest in hidden:
            continue
        measured.choice.add(record, evaluated=bool(evaluations))
        for evaluation in evaluations:
            measured.groups.setdefault(key.group, record)
            measured.records[key.digest] = record
            for value in evaluation.values:
                column = Column(*key.place, value.feedback, value.metric, value.signature)
                measured.values[key.group, column][key.digest] = value.value
            for value in evaluation.bound:
                column = Column(*key.place, value.feedback, value.metric, value.signature)
                measured.bounds[column] = value.value
    if not datasets:
        raise UsageError(f"{store.root}: no runs to compare; run `recbench train`, then `recbench eval`")
    require_known("dataset of these runs", [dataset], datasets)
    if not measured.values:
        raise UsageError(f"{store.root}: no run was evaluated yet; run `recbench eval`")
    return measured


def _chosen(measured: _Measured) -> set[tuple[str, Column]]:
    """Return the settings that count in each column, those that are best on validation.

    Of a method that was selected by several metrics those count that were selected by one of the same purpose as the
    column's, retrieval or ranking; all of them where there are none, and of baselines, of which `_baselines_once` says.
    """
    best: dict[tuple[Hashable, Column], list[tuple[str, Column]]] = defaultdict(list)
    for group, column in measured.values:
        record = measured.groups[group]
        if measured.choice.is_chosen(record):
            best[measured.choice.family(record), column].append((group, column))
    chosen = set()
    for (_, column), places in best.items():
        runs = [(place, measured.groups[place[0]]) for place in places]
        alike = [place for place, run in runs if run.key.is_baseline or purpose(run.select) == purpose(column.metric)]
        chosen.update(alike or places)
    return chosen


def _metric_positions(columns: set[Column], metrics: Sequence[str] | None) -> dict[Column, int]:
    """Return the columns that the filter keeps, with the position of each one's metric."""
    if not metrics:
        names = sorted({column.metric for column in columns}, key=_natural)
        return {column: names.index(column.metric) for column in columns}
    require_metrics("metric of these runs", metrics, ((column.metric, column.feedback) for column in columns))
    first = {name: position for position, name in reversed(list(enumerate(metrics)))}
    positions = {}
    for column in columns:
        fitting = {column.metric, f"{column.metric}/{column.feedback}"} & first.keys()
        if fitting:
            positions[column] = min(first[name] for name in fitting)
    return positions


def require_metrics(kind: str, names: Sequence[str], measured: Iterable[tuple[str, str]]) -> None:
    """Raise UsageError for a metric, with or without a feedback, that is none of these (metric, feedback)."""
    measured = set(measured)
    for name in names:
        require_known(kind, [name], {f"{m}/{feedback}" if "/" in name else m for m, feedback in measured})


def _row(
    measured: _Measured, label: str, column: Column, by_run: Mapping[str, float | None], tested: int, chosen: bool
) -> LeaderboardRow:
    records = [measured.records[digest] for digest in by_run]
    key = records[0].key
    mean, sd = _mean_and_sd(list(by_run.values()))
    return LeaderboardRow(
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
        seeds=len(by_run),
        values=list(by_run.values()),
        seconds=statistics.fmean(record.seconds for record in records),
        curve=_mean_curve(records),
        signature=column.signature,
        run=next(iter(by_run)),
        runs=list(by_run),
        trained_on=list(key.feedback),
        best=False,
        compared=False,
        bound=measured.bounds.get(column),
        tested=tested,
        below="",
        select=records[0].select,
        valid=statistics.fmean(record.valid for record in records),
        chosen=chosen,
        settings_tried=measured.choice.settings_tried(records[0]),
        refit=bool(key.settings.get(REFIT)),
        still_rising=any(record.still_rising for record in records),
    )


def _marked(rows: list[LeaderboardRow]) -> list[LeaderboardRow]:
    """Return the rows of one column, best first, with the marks of the best and of being below a baseline.

    Both compare settings that validation chose: the best of many settings on test rows is the luckiest.
    """
    rows = _baselines_once(sorted(rows, key=rank_key))
    chosen = [row for row in rows if row.chosen]
    baselines = [row for row in chosen if row.backbone == BASELINE]
    marked = []
    for row in rows:
        best = row.chosen and row.mean is not None and row.mean == chosen[0].mean
        baseline = next((other for other in baselines if row.refit or not other.refit), None)
        below = ""
        if baseline is not None and row.backbone != BASELINE and row.mean is not None:
            below = baseline.loss if rank_key(row)[0] > rank_key(baseline)[0] else ""
        marked.append(msgspec.structs.replace(row, best=best, below=below))
    return marked


def _baselines_once(rows: Sequence[LeaderboardRow]) -> list[LeaderboardRow]:
    """Return the rows of one column with each baseline made as the trained methods beside it were.

    A baseline may have been tuned by several validation metrics, and fitted with and without the validation rows. The
    one counts that was tuned by the metric by which most trained methods chose their epochs (if possible, of those
    selected for what the column measures), and that learned from the same rows as they did: from both kinds where the
    column has both. Where nothing was trained, what most baselines have counts.
    """
    chosen = [row for row in rows if row.chosen]
    beside = [row for row in chosen if row.backbone != BASELINE] or chosen
    for_this = [row.select for row in beside if purpose(row.select) == purpose(row.metric)]
    selects = Counter(for_this or [row.select for row in beside])
    refits = Counter(row.refit for row in beside)
    usual = set(refits) if beside is not chosen else {max(refits, key=lambda refit: refits[refit])} if refits else set()
    kept: dict[tuple[str, ...], list[LeaderboardRow]] = defaultdict(list)
    for row in chosen:
        if row.backbone == BASELINE:
            kept[row.loss, *row.trained_on].append(row)
    for place, twins in kept.items():
        select = max((twin.select for twin in twins), key=lambda select: selects[select])
        twins = [twin for twin in twins if twin.select == select]
        kept[place] = [twin for twin in twins if twin.refit in usual] or twins
    runs = {row.run for twins in kept.values() for row in twins}
    return [
        row
        if row.backbone != BASELINE or not row.chosen or row.run in runs
        else msgspec.structs.replace(row, chosen=False)
        for row in rows
    ]


def _mean_curve(records: Sequence[RunRecord]) -> list[float]:
    """Return the mean validation curve, up to the epoch at which the first run stopped."""
    curves = ([epoch["metric"] for epoch in record.curve] for record in records)
    return [statistics.fmean(metrics) for metrics in zip(*curves, strict=False)]


def _mean_and_sd(values: list[float | None]) -> tuple[float | None, float | None]:
    """Return mean and sample standard deviation; (None, None) if a value is undefined."""
    defined = [value for value in values if value is not None]
    if len(defined) < len(values):
        return None, None
    mean = statistics.fmean(defined)
    return mean, statistics.stdev(defined, mean) if len(defined) > 1 else None


def rank_key(row: LeaderboardRow) -> tuple[float, str, str, str]:
    """Return what sorts the rows of a column, best first; of equal means the names decide."""
    better = better_of(row.signature)
    if row.mean is None:
        score = math.inf
    elif better == "one":
        score = abs(math.log(row.mean)) if row.mean > 0 else math.inf
    else:
        score = row.mean if better == "low" else -row.mean
    return score, row.loss, row.backbone, row.settings


def _feedback_order(records: Iterable[RunRecord]) -> dict[tuple[str, str], int]:
    """Return the position of each (dataset, feedback), dense to sparse as the runs on most types have it."""
    longest: dict[str, tuple[str, ...]] = {}
    for record in records:
        longest[record.key.dataset] = max(longest.get(record.key.dataset, ()), record.key.feedback, key=len)
    return {(dataset, name): position for dataset, names in longest.items() for position, name in enumerate(names)}


def _natural(metric: str) -> list[tuple[int, str]]:
    parts = re.split(r"([0-9]{1,15})", metric)
    return [(int(part), "") if n % 2 else (-1, part) for n, part in enumerate(parts)]
