"""The passport of a loss: what it is, what it works with, what is printed of it, and what was measured of it."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, median
from types import MappingProxyType

from recbench.capabilities import in_words
from recbench.errors import counted
from recbench.inspect.listing import feedback_of, partners_of, samplers_of
from recbench.inspect.methods_page import loss_section
from recbench.losses import base
from recbench.losses.base import LOSSES
from recbench.registry import place_of
from recbench.results.against import match_tables
from recbench.results.leaderboard import markdown_row, markdown_text
from recbench.results.leaderboard_rows import LeaderboardRow
from recbench.results.leaderboard_selection import is_usual
from recbench.results.number_words import mean_with_sd
from recbench.results.published.row import PublishedRow
from recbench.results.published.tables import PublishedCell, PublishedTable, cells
from recbench.results.record import RunRecord
from recbench.settings import Value, typed

STOPPING = ("train.epochs", "train.patience", "train.validate_every", "train.select")  # when training ends
NOT_SEARCHED = (*STOPPING, "train.refit", "train.noise")  # as no value of them is better than another
COMPARED_WITH = ("bpr", "bce")  # the first of these that was trained alike
NOT_PRINTED = "no number of it is known to recbench"
NOT_MEASURED = "nothing in the store; train and evaluate it"


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


@dataclass(frozen=True)
class Numbers:
    """Numbers of one method on one dataset, printed or measured."""

    place: str  # what they are found by: a published table, or DATASET/SPLIT of the store
    dataset: str
    feedback: str
    method: str  # as the paper calls it, or the loss
    backbone: str
    settings: tuple[str, ...]  # those that are not the defaults
    values: dict[str, str]  # metric to number as printed, or mean ± standard deviation
    seeds: int  # 0 where the paper does not say
    incomparable: tuple[str, ...]  # why no number of recbench is the same quantity


@dataclass(frozen=True)
class Passport:
    """All that recbench knows of a loss."""

    loss: str
    about: str  # its docstring: what it computes, and the source
    code: str  # module or file that it is in
    settings: dict[str, Value]  # with their defaults
    feedback: str  # one, several, or either
    needs: str  # of slates and backbones
    backbones: tuple[str, ...]  # that it trains
    samplers: tuple[str, ...]  # on whose slates it trains, besides its own
    published: tuple[Numbers, ...]
    measured: tuple[Numbers, ...]
    beside: tuple[PublishedRow, ...]  # each number printed that something was measured for, and why they differ
    sensitivity: tuple[Sensitivity, ...]
    cost: tuple[Cost, ...]
    verify: str  # command that checks the implementation


def passport(
    name: str,
    tables: Sequence[PublishedTable],
    rows: Sequence[LeaderboardRow],
    records: Mapping[str, RunRecord] = MappingProxyType({}),
) -> Passport:
    """Return the passport of a loss, from published tables, the rows of a leaderboard and its runs by their digests.

    Raises UsageError with the nearest name if there is no such loss.
    """
    loss = LOSSES.get(name)
    return Passport(
        loss=name,
        about=inspect.getdoc(loss) or "",
        code=place_of(loss),
        settings=base.defaults(loss),
        feedback=feedback_of(loss),
        needs=in_words(loss.needs) if loss.needs else "nothing",
        backbones=tuple(partners_of(loss)),
        samplers=() if loss.fixed_sampler else tuple(samplers_of(loss)),
        published=tuple(printed for table in tables for printed in _published(table, name)),
        measured=tuple(_measured(name, rows)),
        beside=tuple(_beside(name, tables, rows, records)),
        sensitivity=tuple(sensitivities(record for record in records.values() if record.key.loss == name)),
        cost=tuple(costs(name, records.values())),
        verify=f"recbench verify loss {name}",
    )


def _published(table: PublishedTable, loss: str) -> Iterator[Numbers]:
    def method(cell: PublishedCell) -> tuple[str, str, str, str, tuple[str, ...]]:
        return cell.dataset, cell.feedback, cell.method, cell.backbone, cell.settings

    unit = " %" if table.protocol.unit == "percent" else ""
    of_loss = sorted((cell for cell in cells(table) if cell.loss == loss), key=method)
    for (dataset, feedback, name, backbone, settings), found in groupby(of_loss, key=method):
        values = {cell.measured_as: cell.printed + unit for cell in found}
        seeds = table.protocol.seeds
        yield Numbers(
            table.name, dataset, feedback, name, backbone, settings, values, seeds, table.incomparable(dataset)
        )


def _measured(loss: str, rows: Sequence[LeaderboardRow]) -> Iterator[Numbers]:
    """Yield the numbers of each backbone on each data in the setting that is best on validation, never on test."""

    def method(row: LeaderboardRow) -> tuple[str, str, str, str, str, str]:
        return row.dataset, row.split, row.fingerprint, row.feedback, row.backbone, row.settings

    own = [row for row in rows if row.loss == loss and row.chosen and row.mean is not None and is_usual(row.column)]
    for (dataset, split, _, feedback, backbone, settings), found in groupby(sorted(own, key=method), key=method):
        values, seeds = {}, 0
        for row in found:
            assert row.mean is not None
            values[row.metric] = mean_with_sd(row.mean, row.sd)
            seeds = row.seeds
        words = tuple(filter(None, settings.split(", ")))
        yield Numbers(f"{dataset}/{split}", dataset, feedback, loss, backbone, words, values, seeds, ())


def _beside(
    loss: str, tables: Sequence[PublishedTable], rows: Sequence[LeaderboardRow], records: Mapping[str, RunRecord]
) -> Iterator[PublishedRow]:
    """Yield the numbers printed of a loss that something was measured for."""
    for matches in match_tables(rows, tables, records).values() if records else ():
        yield from (match.row for match in matches if match.row.loss == loss and match.row.mean is not None)


def report(of: Passport) -> dict[str, object]:
    """Return heading → text, list of lines or mapping, for `nested_table.report_table`."""
    return {
        "loss": of.loss,
        "about": of.about,
        "code": of.code,
        "settings": of.settings,
        "feedback": of.feedback,
        "needs": of.needs,
        "backbones": ", ".join(of.backbones),
        "samplers": ", ".join(of.samplers) or "its own alone",
        "published": list(_lines(of.published)) or NOT_PRINTED,
        "measured": list(_lines(of.measured)) or NOT_MEASURED,
        **({"printed and measured": list(_comparisons(of.beside))} if of.beside else {}),
        **({"sensitivity": [_sensitivity(line) for line in of.sensitivity]} if of.sensitivity else {}),
        **({"cost": [_cost(line) for line in of.cost]} if of.cost else {}),
        "verify": of.verify,
    }


def _lines(numbers: Iterable[Numbers]) -> Iterator[str]:
    for of in numbers:
        values = ", ".join(f"{metric} {value}" for metric, value in of.values.items())
        settings = f" ({', '.join(of.settings)})" if of.settings else ""
        seeds = f", {counted(of.seeds, 'seed')}" if of.seeds else ""
        place = of.place if of.place.startswith(f"{of.dataset}/") else f"{of.place}, {of.dataset}"
        yield f"{place}, {of.feedback}: {of.method} × {of.backbone}{settings}: {values}{seeds}"
        yield from (f"  not comparable: {reason}" for reason in of.incomparable)


def _comparisons(rows: Sequence[PublishedRow]) -> Iterator[str]:
    """Yield what was printed and measured and the verdict, and then every reason once, by its number."""
    reasons = list(dict.fromkeys(reason for row in rows for reason in row.reasons))
    for row in rows:
        assert row.mean is not None
        marks = ", ".join(f"({reasons.index(reason) + 1})" for reason in row.reasons)
        yield (
            f"{row.table}, {row.method} × {row.backbone} on {row.data}, {row.metric} of {row.feedback}: "
            f"{row.reported:.4f} printed, {mean_with_sd(row.mean, row.sd)} measured: {row.verdict} {marks}".rstrip()
        )
    yield from (f"({number}) {reason}" for number, reason in enumerate(reasons, 1))


def _sensitivity(of: Sensitivity) -> str:
    values = ", ".join(f"{value}: {valid:.4f}" for value, valid in of.valid.items())
    place = f"{of.data}, {', '.join(of.feedback)}, {of.backbone}"
    return f"{place}: valid {of.metric} by {of.setting}: {values} ({counted(of.seeds, 'seed')})"


def _cost(of: Cost) -> str:
    return (
        f"{of.data}, {of.backbone}, batches of {of.batch_size}, {of.device}: {of.seconds:.1f} s an epoch, "
        f"{of.times:.1f} times that of {of.beside}"
    )


def markdown(of: Passport) -> str:
    """Return the passport in Markdown, which begins as the page of methods has it."""
    samplers = ", ".join(f"`{name}`" for name in of.samplers) or "its own alone"
    parts = [loss_section(of.loss).strip(), f"Code: `{of.code}`. Needs {of.needs}. Samplers: {samplers}."]
    parts += ["#### Published", _table(of.published) if of.published else f"{NOT_PRINTED.capitalize()}."]
    parts += ["#### Measured", _table(of.measured) if of.measured else f"{NOT_MEASURED.capitalize()}."]
    for heading, lines in (
        ("Printed and measured", list(_comparisons(of.beside))),
        ("Sensitivity", [_sensitivity(line) for line in of.sensitivity]),
        ("Cost, as far as the machines of the records were alike", [_cost(line) for line in of.cost]),
    ):
        if lines:
            parts += [f"#### {heading}", "\n".join(f"- {markdown_text(line)}" for line in lines)]
    return "\n\n".join([*parts, f"Check of the implementation: `{of.verify}`"]) + "\n"


def _table(numbers: Sequence[Numbers]) -> str:
    """Return numbers as a table, and below it why they do not compare."""
    reasons = list(dict.fromkeys(reason for of in numbers for reason in of.incomparable))
    lines = [markdown_row(["from", "data", "method", "settings", "numbers", "seeds", "not comparable"])]
    lines.append(markdown_row(["---"] * 7))
    for of in numbers:
        values = ", ".join(f"{metric} {value}" for metric, value in of.values.items())
        marks = ", ".join(f"({reasons.index(reason) + 1})" for reason in of.incomparable)
        words = [of.place, f"{of.dataset}, {of.feedback}", f"{of.method} × {of.backbone}", ", ".join(of.settings)]
        lines.append(markdown_row([markdown_text(word) for word in (*words, values, str(of.seeds or ""), marks)]))
    notes = [f"({number}) {markdown_text(reason)}" for number, reason in enumerate(reasons, 1)]
    return "\n\n".join(["\n".join(lines), *notes])
