"""What the records of a loss say of it beyond its numbers: how much its settings matter, and what an epoch costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from recbench.results.record import RunRecord
from recbench.settings import Value, typed

STOPPING = ("train.epochs", "train.patience", "train.validate_every", "train.select")  # when training ends
NOT_SEARCHED = (*STOPPING, "train.refit", "train.noise")  # as no value of them is better than another
COMPARED_WITH = ("bpr", "bce")  # the first of these that was trained alike


@dataclass(frozen=True)
class Sensitivity:
    """The validation metric by the values of one setting, all else being equal."""

    data: str
    feedback: tuple[str, ...]  # trained on
    backbone: str
    setting: str
    metric: str  # on validation rows
    seeds: int  # that all values were trained with
    valid: dict[str, float]  # value of the setting, or "default", to the metric's mean over these seeds


@dataclass(frozen=True)
class Cost:
    """What an epoch took beside one of another loss on the same data and backbone, in batches of the same size."""

    data: str
    backbone: str
    batch_size: int
    device: str
    seconds: float  # the median over runs of the mean epoch of each
    beside: str  # the other loss
    times: float  # as long as the other's


def sensitivities(records: Iterable[RunRecord]) -> Iterator[Sensitivity]:
    """Yield every setting that runs of one loss differ in alone, where most values of it were tried."""
    groups: dict[tuple[str, ...], list[RunRecord]] = defaultdict(list)
    for record in records:
        key = record.key
        groups[(*key.place, *key.feedback, key.backbone, key.device, record.select)].append(record)
    for of_group in groups.values():
        names = sorted({name for record in of_group for name in record.key.settings if name not in NOT_SEARCHED})
        for name in names:
            found = max((_compared(alike, name) for alike in _alike_but(name, of_group)), key=lambda s: len(s.valid))
            if len(found.valid) > 1:
                yield found


def _alike_but(name: str, records: Iterable[RunRecord]) -> list[list[RunRecord]]:
    """Return the records by all of their settings but one."""
    alike: dict[Hashable, list[RunRecord]] = defaultdict(list)
    for record in records:
        others = ((key, value) for key, value in record.key.settings.items() if key not in (name, *STOPPING))
        alike[tuple(sorted((key, typed(value)) for key, value in others))].append(record)
    return list(alike.values())


def _compared(records: Sequence[RunRecord], name: str) -> Sensitivity:
    by_value: dict[Value | None, dict[int, float]] = defaultdict(dict)
    for record in records:
        of_seed = by_value[record.key.settings.get(name)]
        of_seed[record.key.seed] = max(record.valid, of_seed.get(record.key.seed, record.valid))
    seeds = set.intersection(*(set(of_seed) for of_seed in by_value.values()))
    ordered = sorted(by_value, key=lambda value: (isinstance(value, str), value is None, value or 0, str(value)))
    valid = {
        "default" if value is None else typed(value): fmean(by_value[value][seed] for seed in sorted(seeds))
        for value in (ordered if seeds else [])
    }
    key = records[0].key
    return Sensitivity(key.data, key.feedback, key.backbone, name, records[0].select, len(seeds), valid)


def costs(loss: str, records: Iterable[RunRecord]) -> Iterator[Cost]:
    """Yield what an epoch of a loss took beside one of another, wherever both were trained alike."""
    seconds: dict[tuple[str, ...], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        key = record.key
        last = record.curve[-1] if record.curve else None
        if last and last["seconds"] and not key.is_baseline:
            place = key.data, key.fingerprint, key.backbone, typed(key.settings["train.batch_size"]), record.device_name
            seconds[place][key.loss].append(last["seconds"] / last["epoch"])
    for (data, _, backbone, size, device), of_loss in seconds.items():
        other = next((name for name in COMPARED_WITH if name in of_loss and name != loss), None)
        if loss in of_loss and other is not None:
            own = median(of_loss[loss])
            yield Cost(data, backbone, int(size), device, own, other, own / median(of_loss[other]))
