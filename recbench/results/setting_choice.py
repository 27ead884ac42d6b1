"""Which settings of a method the leaderboard shows, those that are best on validation rows, and how it names them."""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from recbench.results.record import CHOSEN_SAMPLER, RunKey, RunRecord, named_sources, settings_in_words
from recbench.settings import Value, typed

REFIT = "train.refit"
RETRIEVAL = ("recall", "ndcg", "hr")  # of the whole catalogue, in the order of preference
RANKING = ("auc", "gauc")  # of the rows that users were shown


@dataclass
class SettingChoice:
    """The settings that each method has been run with, a method being a loss, backbone and sampler on the same rows.

    Runs that were fitted to validation rows too are methods of their own, as they learned from more, and so are runs
    whose epochs were chosen by another metric, as validation values of two metrics do not compare.
    """

    _valid: dict[Hashable, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(dict))
    _tried: dict[Hashable, set[Hashable]] = field(default_factory=lambda: defaultdict(set))
    _chosen: dict[Hashable, str] = field(default_factory=dict)

    def add(self, record: RunRecord, *, evaluated: bool) -> None:
        """Take a run into account; only those that are evaluated can be chosen."""
        method = _method(record)
        settings = tuple(sorted((name, str(value)) for name, value in record.key.settings.items() if name != REFIT))
        self._tried[method].add((settings, tuple(record.key.sources.items())))
        if evaluated:
            of_group = self._valid[method, _refit(record)].setdefault(record.key.group, [])
            of_group.append(record.valid)
            self._chosen.pop((method, _refit(record)), None)

    def family(self, record: RunRecord) -> Hashable:
        """Return what runs have in common that differ in their settings, or in the metric that selected them, alone."""
        return _method(record)[:-1], _refit(record)

    def is_chosen(self, record: RunRecord) -> bool:
        """Whether the settings of a run have the best mean on validation among those of its method."""
        place = _method(record), _refit(record)
        if place not in self._chosen:
            groups = self._valid[place]
            self._chosen[place] = max(groups, key=lambda group: statistics.fmean(groups[group]))
        return self._chosen[place] == record.key.group

    def settings_tried(self, record: RunRecord) -> int:
        """Number of settings that the method of a run has been run with."""
        return len(self._tried[_method(record)])


def name_of(metric: str) -> str:
    """Return a metric without its cut-off, averaging and feedback: "recall" of recall@20, "gauc" of gauc(mean)."""
    return re.split(r"[@(/]", metric)[0]


def purpose(metric: str) -> str:
    """Return what a metric measures: the "retrieval" of items, the "ranking" of rows, or else ""."""
    name = name_of(metric)
    if name in (*RETRIEVAL, "mrr", "precision", "map"):
        return "retrieval"
    return "ranking" if name in (*RANKING, "logloss") else ""


def setting_labels(records: Mapping[str, RunRecord]) -> dict[str, str]:
    """Return a label per group: settings that are not the default, and what else tells it from others."""
    labels = {group: settings_in_words(record.non_default) for group, record in records.items()}
    twins = defaultdict(list)
    for group, record in records.items():
        twins[record.key.place, record.key.loss, record.key.backbone, labels[group]].append(group)
    for groups in twins.values():
        facts = {group: _facts(records[group].key) for group in groups}
        for group, own in facts.items():
            words = [
                f"{name}={typed(value)}"
                for name, value in own.items()
                if any(other.get(name) != value for other in facts.values())
            ]
            labels[group] = ", ".join(filter(None, [labels[group], *words]))
    return labels


def _method(record: RunRecord) -> tuple[Hashable, ...]:
    key = record.key
    return *key.place, key.loss, key.backbone, key.feedback, key.settings.get(CHOSEN_SAMPLER), key.device, record.select


def _refit(record: RunRecord) -> bool:
    return bool(record.key.settings.get(REFIT))


def _facts(key: RunKey) -> dict[str, Value]:
    facts: dict[str, Value] = {"trained_on": "+".join(key.feedback), "device": key.device}
    return facts | named_sources(key) | dict(key.settings)
