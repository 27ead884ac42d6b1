"""`recbench reproduce`: run what a published table needs, and set what was measured beside what was printed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from recbench.data.dataset import Dataset
from recbench.data.manifest_file import read_manifest
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import UsageError, counted, in_a_row, require_known
from recbench.evaluation.request import Request, parse
from recbench.losses.base import LOSSES
from recbench.results import leaderboard
from recbench.results.against import impossible, ranks_the_same, reasons_for
from recbench.results.published.row import PublishedRow, published_row, rows_as_json
from recbench.results.published.tables import PublishedCell, PublishedProtocol, PublishedTable, cells
from recbench.results.record import RunKey, method_name
from recbench.results.store import Store
from recbench.run import preset as presets
from recbench.run.evaluate import EvalOptions, evaluate_run
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest, keys_of
from recbench.study.fair import corner_trials, equal_terms, require_fair, require_no_rate, trials_of
from recbench.study.launchers.base import LaunchOptions, Work
from recbench.study.runs_display import RunsDisplay
from recbench.study.train_methods import tuned
from recbench.study.train_runs import train_runs
from recbench.terminal import print_line

Group = tuple[str, str, tuple[str, ...]]  # loss, backbone and settings of cells that the same runs fill


@dataclass(frozen=True)
class ReproduceRequest:
    """The options of a `reproduce` command."""

    table: PublishedTable
    dataset: str | None = None  # of the table; None: its first
    data: str | None = None  # DATASET/SPLIT to run on, if it is not the preset's
    methods: tuple[str, ...] = ()  # as the paper calls them; none: all
    backbones: tuple[str, ...] = ()  # of those methods; none: all
    seeds: int = 3
    settings: tuple[str, ...] = ()  # of every run, after those of preset and table
    fair: bool = False  # every method with a learned scale and bias, and an equal budget of tuning
    trials: int | None = None  # of each method, of what `fair` searches; None: of the learning rate alone
    grid: tuple[str, ...] = ()  # other values of that, and further settings


@dataclass(frozen=True)
class _Source:
    """The prepared data that stand for a dataset of a table."""

    data: Dataset
    preset: presets.Preset | None  # how the paper trained on them
    usual: str  # DATASET/SPLIT of the paper


def reproduce(request: ReproduceRequest, invocation: Invocation, options: LaunchOptions) -> list[PublishedRow]:
    """Train and evaluate what is missing of one dataset's part of a table; return its rows.

    What has a record and the numbers is not done again, even if its weights are gone. Raises UsageError for a dataset,
    method or backbone that the table lacks, and for data that are not prepared; TrainingError, after all others have
    finished, for a run that failed.
    """
    require_fair(request.fair, request.trials, request.grid)
    if request.fair:
        require_no_rate(request.settings)
    store, wanted = invocation.store, _wanted(request)
    here, target = options.devices()
    source = _source(request, wanted[0].dataset, here)
    data, published = source.data, request.table.datasets[wanted[0].dataset]
    if len(published.feedback) == 1 and published.feedback[0] not in data.feedback:
        wanted = [replace(cell, feedback=data.feedback[0]) for cell in wanted]  # the densest of other data
    groups: dict[Group, list[PublishedCell]] = {}
    for cell in wanted:
        groups.setdefault((cell.loss, cell.backbone, cell.settings), []).append(cell)
    reasons = {group: impossible(*group, published.feedback) for group in groups}
    train_requests = {
        group: _train_request(request, source, group_cells[0], *group)
        for group, group_cells in groups.items()
        if not reasons[group]
    }
    keys = _keys(train_requests, data, target.type)
    if request.fair:
        for one in train_requests.values():
            for trial in corner_trials(equal_terms(one), request.trials, request.grid, request.settings):
                keys_of(trial, data, target.type, {})
    print_line(invocation.console, f"{request.table.name} on {source.data.full_name}, {counted(request.seeds, 'seed')}")
    if request.fair:
        methods = {group: groups[group][0].method for group in train_requests}
        train_requests = _tuned(request, train_requests, methods, invocation, options)
        keys = _keys(train_requests, data, target.type)
    protocol = request.table.protocol
    missing = {
        key.digest: key
        for group, group_keys in keys.items()
        for key in group_keys
        if key not in store or any(_value(cell, key, protocol, store) is None for cell in groups[group])
    }
    work = Work(store.root, str(target), (), invocation.command, launch=options)
    train_runs(list(missing.values()), data, work, invocation.console, "reproduce")
    rows: list[PublishedRow] = []
    for group, group_cells in groups.items():
        if group in train_requests:
            _evaluate(keys[group], group_cells, protocol, store, here)
            rows += _measured(request, source, group_cells, train_requests[group], keys[group], store)
        else:
            why = (reasons[group],)
            rows += [
                published_row(request.table, cell, source.data.full_name, reasons=why, without_values="not in recbench")
                for cell in group_cells
            ]
    leaderboard.write_markdown(store)
    return rows


def _tuned(
    request: ReproduceRequest,
    train_requests: Mapping[Group, TrainRequest],
    methods: Mapping[Group, str],
    invocation: Invocation,
    options: LaunchOptions,
) -> dict[Group, TrainRequest]:
    """Return the requests on equal terms, with the settings that are best on validation, method by method."""
    trials = sum(trials_of(one, request.trials, request.grid) for one in train_requests.values())
    display = RunsDisplay(invocation.console, trials, "tuning")
    found: dict[Group, TrainRequest] = {}
    for number, (group, one) in enumerate(train_requests.items(), 1):
        trained = method_name(one.loss, str(one.backbone))
        print_line(invocation.console, f"method {number} of {len(train_requests)}: {methods[group]} ({trained})")
        common = replace(one, settings=request.settings)
        (found[group],) = tuned([one], common, invocation, options, request.trials, request.grid, display)
    return found


def _keys(train_requests: Mapping[Group, TrainRequest], data: Dataset, device: str) -> dict[Group, list[RunKey]]:
    """Return the keys of each group's runs; raises UsageError for settings that cannot work."""
    return {group: keys_of(train_request, data, device, {}) for group, train_request in train_requests.items()}


def _source(request: ReproduceRequest, dataset: str, device: torch.device) -> _Source:
    preset = _preset(request.table, dataset)
    usual = preset.data if preset else request.table.datasets[dataset].data(dataset)
    name = request.data or (preset.prepared() if preset else usual)
    return _Source(Dataset.load(find_prepared(name), device), preset, usual)


def _measured(
    request: ReproduceRequest,
    source: _Source,
    group_cells: Sequence[PublishedCell],
    train_request: TrainRequest,
    keys: Sequence[RunKey],
    store: Store,
) -> list[PublishedRow]:
    """Return the rows of a group with what its runs reached."""
    preset_words = source.preset.words(train_request.loss, str(train_request.backbone)) if source.preset else ()
    settings = tuple(word for word in train_request.settings if word not in preset_words)
    runs = tuple(key.digest for key in keys)
    rows = []
    for cell in group_cells:
        values = [_value(cell, key, request.table.protocol, store) for key in keys]
        reached = [value for value in values if value is not None]
        reasons = _reasons(request, cell, source)
        rows.append(published_row(request.table, cell, source.data.full_name, reached, reasons, settings, runs))
    return rows


def as_json(request: ReproduceRequest, rows: Iterable[PublishedRow]) -> dict[str, object]:
    """Return the rows as a JSON document."""
    return {
        "table": request.table.name,
        "protocol": "fair" if request.fair else "paper",
        **({"trials": request.trials} if request.trials else {}),
        **({"grid": list(request.grid)} if request.grid else {}),
        "lines": rows_as_json(rows),
    }


def _wanted(request: ReproduceRequest) -> list[PublishedCell]:
    """Return the cells of the dataset, the methods and the backbones asked for."""
    table = request.table
    dataset = request.dataset or next(iter(table.datasets))
    require_known(f"dataset of {table.name}", [dataset], table.datasets)
    every = [cell for cell in cells(table) if cell.dataset == dataset]
    require_known(f"method of {table.name} on {dataset}", request.methods, {cell.method for cell in every})
    require_known(f"backbone of {table.name} on {dataset}", request.backbones, {cell.backbone for cell in every})
    wanted = [
        cell
        for cell in every
        if (not request.methods or cell.method in request.methods)
        and (not request.backbones or cell.backbone in request.backbones)
    ]
    if not wanted:
        methods, backbones = in_a_row(request.methods, "or"), in_a_row(request.backbones, "or")
        raise UsageError(f"{table.name} has no {methods} on {backbones}; leave out --method or --backbone")
    return wanted


def _preset(table: PublishedTable, dataset: str) -> presets.Preset | None:
    """Return the paper's preset for the data and feedback of a table; one that names no feedback is for all."""
    feedback = table.datasets[dataset].feedback
    of_paper = [preset for preset in presets.presets().values() if preset.name.startswith(f"{table.paper}/")]
    fitting = [
        preset for preset in of_paper if preset.entry.dataset == dataset and preset.entry.feedback in ((), feedback)
    ]
    return max(fitting, key=lambda preset: len(preset.entry.feedback), default=None)


def _train_request(
    request: ReproduceRequest, source: _Source, cell: PublishedCell, loss: str, backbone: str, words: tuple[str, ...]
) -> TrainRequest:
    """Return how to train a method: as the preset says, then the table's settings of the loss, then the user's."""
    common = source.preset.words(loss, backbone, for_table_row=True) if source.preset else ()
    feedback = request.table.datasets[cell.dataset].feedback
    return TrainRequest(
        loss=loss,
        backbone=backbone,
        dataset=source.data.full_name,
        feedback=feedback if LOSSES.get(loss).multitask else (cell.feedback,),
        seeds=tuple(range(request.seeds)),
        settings=(*common, *words, *request.settings),
        imports=(),
    )


def _evaluate(
    keys: Sequence[RunKey],
    group_cells: Sequence[PublishedCell],
    protocol: PublishedProtocol,
    store: Store,
    device: torch.device,
) -> None:
    """Compute the metrics of these cells that the runs do not have yet."""
    keep_seen = protocol.candidates == "catalogue" and protocol.seen == "kept"
    options = EvalOptions(candidates=protocol.candidates, keep_seen=keep_seen, device=device)
    for key in keys:
        missing = [_request(cell) for cell in group_cells if _value(cell, key, protocol, store) is None]
        if missing:
            evaluate_run(store.record(key), store, missing, options)


def _request(cell: PublishedCell) -> Request:
    return replace(parse(cell.metric), feedback=cell.feedback, by=cell.by)


def _value(cell: PublishedCell, key: RunKey, protocol: PublishedProtocol, store: Store) -> float | None:
    """Return what the run reached under this protocol, by its last evaluation that says so."""
    for evaluation in reversed(store.evaluations(key)):
        for value in evaluation.values:
            same = (value.metric, value.feedback) == (cell.measured_as, cell.feedback)
            if same and value.value is not None and ranks_the_same(protocol, value.signature):
                return value.value
    return None


def _reasons(request: ReproduceRequest, cell: PublishedCell, source: _Source) -> tuple[str, ...]:
    """Return why no number on these data, or of this protocol, can be compared with the paper's."""
    miscounted = read_manifest(source.data.folder).counts.matches is False
    reasons = reasons_for(request.table, cell.dataset, source.data.full_name, source.usual, miscounted)
    if source.preset is None:
        reasons.append(
            "no preset has the paper's training on these data: what neither the table nor --set says is at its default"
        )
    if request.fair:
        tuning = f", and the best of {request.trials} trials on validation" if request.trials else ""
        reasons.append(f"every method has a learned scale and bias here{tuning}")
    return tuple(reasons)
