"""`recbench reproduce`: run what a published table needs, and set what was measured beside what was printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rich.console import Console

from recbench.data.dataset import Dataset, find_prepared
from recbench.data.prepared_folder import read_manifest
from recbench.errors import TrainingError, UsageError, unknown
from recbench.evaluation.metric import Request, parse
from recbench.losses.base import LOSSES
from recbench.results import leaderboard
from recbench.results.against import impossible, metric_of, ranks_the_same, reasons_for
from recbench.results.published import PublishedCell, PublishedProtocol, PublishedTable, cells
from recbench.results.published_row import PublishedRow, published_row, rows_as_json
from recbench.results.record import RunKey
from recbench.results.store import Store
from recbench.run import preset as presets
from recbench.run.evaluate import evaluate_run
from recbench.run.model import pick_device
from recbench.run.session import TrainRequest, keys_of, train_keys
from recbench.run.train import is_complete
from recbench.study.launcher import Failed, Work, launch
from recbench.study.sweep import SweepRequest, sweep_all
from recbench.study.sweep_display import SweepDisplay

BUDGET = ("train.lr=0.005,0.02,0.05,0.1",)  # of every method under `fair`, with one seed on validation


@dataclass(frozen=True)
class Aim:
    """What to reproduce of a table."""

    table: PublishedTable
    dataset: str | None = None  # as in its data: None means the first that is prepared
    data: str | None = None  # DATASET/SPLIT to run on, if it is not the preset's
    methods: tuple[str, ...] = ()  # as the paper has them; none: all
    seeds: int = 3
    settings: tuple[str, ...] = ()  # of every run, after those of preset and table
    fair: bool = False  # every method with a learned scale and bias, and an equal budget of tuning


def reproduce(aim: Aim, store: Store, console: Console, device: str, jobs: int, command: str) -> list[PublishedRow]:
    """Train and evaluate what is missing of one dataset's part of a table, `jobs` runs at a time; return its rows.

    What has a record and the numbers is not done again, even if its weights are gone. Raises UsageError for a dataset
    or method that the table lacks, and for data that are not prepared; TrainingError, after all others have finished,
    for a run that failed.
    """
    wanted = _wanted(aim)
    preset = _preset(aim.table, wanted[0])
    published = aim.table.datasets[wanted[0].dataset]
    target = pick_device(device)
    usual = preset.data if preset else f"{wanted[0].dataset}/{published.split}"
    data = Dataset.load(find_prepared(aim.data or (preset.prepared() if preset else usual)), target)
    if len(published.feedback) == 1 and published.feedback[0] not in data.feedback:
        wanted = [replace(cell, feedback=data.feedback[0]) for cell in wanted]  # the densest of other data
    console.print(f"{aim.table.name} on {data.name}/{data.split}, {aim.seeds} seeds", highlight=False)
    groups: dict[tuple[str, str, tuple[str, ...]], list[PublishedCell]] = {}
    for cell in wanted:
        groups.setdefault((cell.loss, cell.backbone, cell.settings), []).append(cell)
    orders: dict[tuple[str, str, tuple[str, ...]], TrainRequest] = {}
    without: dict[tuple[str, str, tuple[str, ...]], str] = {}
    for group, held in groups.items():
        reason = impossible(*group[:2])
        if reason:
            without[group] = reason
        else:
            order = _order(aim, preset, data, held[0], *group)
            orders[group] = _tuned(order, store, console, device, jobs, command) if aim.fair else order
    keys = {group: keys_of(order, data, target.type, {}) for group, order in orders.items()}
    protocol = aim.table.protocol
    missing = {
        key.digest: key
        for group, of_group in keys.items()
        for key in of_group
        if key not in store or any(_value(cell, key, protocol, store) is None for cell in groups[group])
    }
    _train(list(missing.values()), data, store, console, jobs, command)
    on = f"{data.name}/{data.split}"
    rows: list[PublishedRow] = []
    for group, held in groups.items():
        if group in without:
            why = (without[group],)
            rows += [published_row(aim.table, cell, on, reasons=why, without_values="not in recbench") for cell in held]
            continue
        _evaluate(keys[group], held, protocol, store, device)
        of_preset = preset.words(*group[:2]) if preset else ()
        kept = tuple(word for word in orders[group].settings if word not in of_preset)
        for cell in held:
            values = [_value(cell, key, protocol, store) for key in keys[group]]
            reached = [value for value in values if value is not None]
            runs = tuple(key.digest for key in keys[group])
            rows.append(published_row(aim.table, cell, on, reached, _reasons(aim, cell, data, usual), kept, runs))
    leaderboard.write_markdown(store)
    return rows


def as_json(aim: Aim, rows: Iterable[PublishedRow]) -> dict[str, object]:
    """Return the rows as a JSON document."""
    return {
        "table": aim.table.name,
        "protocol": "fair" if aim.fair else "paper",
        "lines": rows_as_json(rows),
    }


def _wanted(aim: Aim) -> list[PublishedCell]:
    """Return the cells of the dataset and the methods asked for."""
    table = aim.table
    dataset = aim.dataset or next(iter(table.datasets))
    if dataset not in table.datasets:
        raise unknown(f"dataset of {table.name}", dataset, table.datasets)
    every = [cell for cell in cells(table) if cell.dataset == dataset]
    methods = {cell.method for cell in every}
    for method in aim.methods:
        if method not in methods:
            raise unknown(f"method of {table.name} on {dataset}", method, methods)
    return [cell for cell in every if not aim.methods or cell.method in aim.methods]


def _preset(table: PublishedTable, cell: PublishedCell) -> presets.Preset | None:
    """Return the paper's preset for the data and feedback of a table."""
    feedback = table.datasets[cell.dataset].feedback
    for preset in presets.presets().values():
        same = preset.entry.dataset == cell.dataset and tuple(preset.entry.feedback) == feedback
        if same and preset.name.startswith(f"{table.paper}/"):
            return preset
    return None


def _order(
    aim: Aim,
    preset: presets.Preset | None,
    data: Dataset,
    cell: PublishedCell,
    loss: str,
    backbone: str,
    words: tuple[str, ...],
) -> TrainRequest:
    """Return the order of a method: the preset's training, the table's settings of the loss, then the user's."""
    common = [word for word in preset.words(loss, backbone) if _of_training(word, preset)] if preset else []
    feedback = aim.table.datasets[cell.dataset].feedback
    return TrainRequest(
        loss=loss,
        backbone=backbone,
        dataset=f"{data.name}/{data.split}",
        feedback=feedback if LOSSES.get(loss).multitask else (cell.feedback,),
        seeds=tuple(range(aim.seeds)),
        settings=(*common, *words, *aim.settings),
        imports=(),
    )


def _of_training(word: str, preset: presets.Preset) -> bool:
    """Whether a setting of a preset holds for every method; those of a single loss stand in the table."""
    return not word.startswith("loss.") or word in preset.paper.settings


def _train(keys: Sequence[RunKey], data: Dataset, store: Store, console: Console, jobs: int, command: str) -> None:
    """Train what has no record yet, one after the other, or as many at a time as there are jobs."""
    if jobs == 1:
        train_keys(keys, data, store, console, command, [])
        return
    left = [key for key in keys if not is_complete(key, store)]
    work = Work(store.root, str(data.train.user.device), (), command)
    failed: list[Failed] = []
    with launch(work, data, jobs) as launcher, SweepDisplay(console, len(left)) as display:
        for finished in launcher.run(left):
            display.finished(finished, [])
            failed += [finished] if isinstance(finished, Failed) else []
    if failed:
        raise TrainingError(
            f"{failed[0].key.title}: {failed[0].reason}; {len(failed)} runs failed, the others are kept"
        )


def _tuned(order: TrainRequest, store: Store, console: Console, device: str, jobs: int, command: str) -> TrainRequest:
    """Return the order with a learned scale and bias and the learning rate that is best on validation."""
    if LOSSES.get(order.loss).reads_logits:
        order = replace(order, settings=(*_without(order.settings, "loss.scale"), "loss.logit=learned"))
    searched = replace(order, settings=_without(order.settings, "train.lr"), seeds=(0,))
    found = sweep_all(SweepRequest((order.loss,), BUDGET, searched), store, console, device, jobs, command)
    if order.loss not in found.best:
        raise UsageError(f"{order.loss}: every trial failed; see the sweep {found.digest}")
    best = [word for word in found.best[order.loss] if word.startswith("train.lr=")]
    return replace(searched, settings=(*searched.settings, *best), seeds=order.seeds)


def _without(words: Sequence[str], setting: str) -> tuple[str, ...]:
    return tuple(word for word in words if not word.startswith(f"{setting}="))


def _evaluate(
    keys: Sequence[RunKey], held: Sequence[PublishedCell], protocol: PublishedProtocol, store: Store, device: str
) -> None:
    """Compute the metrics of these cells that the runs do not have yet."""
    for key in keys:
        missing = [_request(cell) for cell in held if _value(cell, key, protocol, store) is None]
        if missing:
            evaluate_run(
                store.record(key),
                store,
                missing,
                candidates=protocol.candidates,
                keep_seen=_keeps_seen(protocol),
                device=pick_device(device),
            )


def _keeps_seen(protocol: PublishedProtocol) -> bool:
    return protocol.candidates == "catalogue" and protocol.seen == "kept"


def _request(cell: PublishedCell) -> Request:
    return replace(parse(cell.metric), feedback=cell.feedback, by=cell.by)


def _value(cell: PublishedCell, key: RunKey, protocol: PublishedProtocol, store: Store) -> float | None:
    """Return what the run reached under this protocol, by its last evaluation that says so."""
    for evaluation in reversed(store.evaluations(key)):
        for value in evaluation.values:
            same = (value.metric, value.feedback) == (metric_of(cell), cell.feedback)
            if same and value.value is not None and ranks_the_same(protocol, value.signature):
                return value.value
    return None


def _reasons(aim: Aim, cell: PublishedCell, data: Dataset, usual: str) -> tuple[str, ...]:
    """Return why no number on these data, or of this protocol, is the paper's; `usual` names the paper's data."""
    miscounted = read_manifest(data.folder)["counts"]["matches"] is False
    reasons = reasons_for(aim.table, cell.dataset, f"{data.name}/{data.split}", usual, miscounted)
    if aim.fair:
        reasons.append("every method has a learned scale and bias here")
    return tuple(reasons)
