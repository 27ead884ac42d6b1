"""What `recbench train` does: which data, which runs, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from recbench import settings
from recbench.data.dataset import Dataset
from recbench.data.manifest_file import read_manifest
from recbench.data.prepared_datasets import find_prepared, how_found
from recbench.errors import RecbenchError, TrainingError, UsageError, counted
from recbench.own_files import counted_paths
from recbench.registry import import_file, require_imported
from recbench.results.record import Plan, RunKey, RunRecord
from recbench.results.store import Store
from recbench.run import preset as presets
from recbench.run.evaluate import load_dataset
from recbench.run.invocation import Invocation
from recbench.terminal import TerminalConsole, print_line
from recbench.training.model import pick_device
from recbench.training.plan import OWNERS, make_keys
from recbench.training.ranks import current, join, noticing_loss, own_device
from recbench.training.train import Training, is_complete, train

DEFAULT_BACKBONE = "twintower"
WEIGHING = "train.row_weights=true"


@dataclass(frozen=True)
class TrainRequest:
    """The options of a `train` command."""

    loss: str
    backbone: str | None  # None: the preset's, or `twintower`
    dataset: str | None  # None: the preset's, or the most recently prepared
    feedback: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: tuple[str, ...]  # "loss.scale=2.57"
    imports: tuple[Path, ...]
    preset: str | None = None  # "gnolr/ml-1m"; other options win over it
    track: tuple[str, ...] = ()  # trackers, or files of trackers
    classes: Mapping[str, str] = field(default_factory=dict)  # of no file to import: module and name to digest


def train_all(request: TrainRequest, invocation: Invocation, device: str) -> list[RunRecord]:
    """Train one run per seed; runs that have a record are not trained again.

    Raises UsageError for whatever does not exist or cannot work together, before anything is written.
    """
    sources, request = own_sources(request), complete(request)
    target = pick_device(device)
    ranks, target = join(), own_device(target)
    store, console = invocation.store, invocation.console if ranks.first else TerminalConsole(quiet=True)
    data = Dataset.load(find_prepared(request.dataset), target)
    keys = keys_of(request, data, target.type, sources)
    ready = _first_training(keys, data, store, request.track)
    announce([request], data, console)
    plan = Plan(keys, [str(path) for path in request.imports], invocation.command)
    if ranks.first:
        store.write_plan(plan.keys, plan.imports, plan.command)
    return _train_plan(plan, data, store, console, ready, request.track)


def announce(requests: Sequence[TrainRequest], data: Dataset, console: Console) -> None:
    """Print what completed requests of one preset and dataset have in common, and what of the dataset is not usual.

    The settings of a preset may depend on the loss: then there is a line for each.
    """
    preset, words = requests[0].preset, {" ".join(request.settings): request for request in requests}
    for settings_of_preset, request in words.items() if preset is not None else ():
        whose = f" for {request.loss} × {request.backbone}" if len(words) > 1 else ""
        print_line(console, f"preset {preset}{whose}: {settings_of_preset}")
    print_line(console, f"dataset {how_found(requests[0].dataset, data.folder)}")
    warn_of_counts(data, console)
    if data.train.weight is not None and not any(WEIGHING in request.settings for request in requests):
        print_line(console, f"note: its rows have weights, which count for nothing here; --set {WEIGHING} uses them")


def warn_of_counts(data: Dataset, console: Console) -> None:
    """Print a line if these are not the complete data of the catalogue, to which published numbers belong."""
    if read_manifest(data.folder).counts.matches is False:
        print_line(console, "warning: its counts are not the catalogue's; `recbench prepare` says what differs")


def own_sources(request: TrainRequest) -> dict[str, str]:
    """Import the user's files and return the digests of the user's own code by name.

    Raises UsageError if two files have the same name.
    """
    return {**imported_sources(request.imports), **request.classes}


def imported_sources(paths: Sequence[Path]) -> dict[str, str]:
    """Import files of the user's and return their digests by name; raises UsageError if two have the same name."""
    sources = {path.name: import_file(path) for path in paths}
    if len(sources) < len(paths):
        raise UsageError("--import: two files have the same name; rename one")
    return sources


def complete(request: TrainRequest) -> TrainRequest:
    """Return the request with the options it leaves open filled in: from its preset, else the default backbone.

    Raises UsageError for a preset that does not exist, does not fit, or whose data are not prepared.
    """
    if request.preset is None:
        return replace(request, backbone=request.backbone or DEFAULT_BACKBONE)
    preset = presets.find(request.preset)
    backbone = request.backbone or preset.paper.backbone
    words = preset.words(request.loss, backbone)
    dataset = request.dataset or preset.prepared()
    is_own_dataset = dataset.partition("/")[0] == preset.entry.dataset
    feedback = request.feedback or (preset.feedback(request.loss) if is_own_dataset else ())
    return replace(request, backbone=backbone, dataset=dataset, feedback=feedback, settings=(*words, *request.settings))


def keys_of(request: TrainRequest, data: Dataset, device: str, sources: Mapping[str, str]) -> list[RunKey]:
    """Return the keys of a completed request, one per seed; raises UsageError for whatever does not exist."""
    words = settings.split_words(list(request.settings), OWNERS)
    backbone = request.backbone or DEFAULT_BACKBONE
    return make_keys(data, request.loss, backbone, words, request.feedback, request.seeds, device, sources)


def resume_last(store: Store, console: Console, device: str, track: Sequence[str] = ()) -> list[RunRecord]:
    """Finish the runs of the last `train`, each after its last finished epoch; `track` names trackers."""
    console = console if join().first else TerminalConsole(quiet=True)
    plan = current().from_first(store.read_plan)
    unfinished = [key for key in plan.keys if not _is_complete(key, store)]
    if not unfinished:
        raise UsageError("nothing to resume: every run of the last `train` is finished")
    first = unfinished[0]
    for key in unfinished:
        require_imported(counted_paths(plan.imports, key.sources), key.sources)
    target = pick_device(first.device if device == "auto" else device)
    if target.type != first.device:
        raise UsageError(f"--device {device}: the run began on {first.device}, and can be resumed only there")
    data = load_dataset(first, own_device(target))
    print_line(console, f"dataset {data.full_name}, {len(unfinished)} of {counted(len(plan.keys), 'run')} to finish")
    ready = _first_training(unfinished, data, store, track)
    return _train_plan(replace(plan, keys=unfinished), data, store, console, ready, track)


def resumable_plan(store: Store, command: str | None) -> Plan | None:
    """Return what the last `train` set out to do if runs of it are unfinished, else None.

    If a command is given, only where the last `train` was that command.
    """
    try:
        plan = store.read_plan()
    except RecbenchError:
        return None
    unfinished = any(not is_complete(key, store) for key in plan.keys)
    return plan if unfinished and command in (None, plan.command) else None


def _train_plan(
    plan: Plan, data: Dataset, store: Store, console: Console, ready: list[Training], track: Sequence[str]
) -> list[RunRecord]:
    """Train these runs one after the other; those that are complete are not trained again.

    `ready` holds the first of those to train; it is taken out, so that its memory is free for the next one.
    Raises TrainingError, after all others have finished, if a run failed.
    """
    records: list[RunRecord] = []
    failed: list[str] = []
    for key in plan.keys:
        if _is_complete(key, store):
            print_line(console, f"run {key.digest} exists, not trained again: {store.folder(key)}")
            records.append(current().from_first(lambda key=key: store.record(key)))  # type: ignore[misc]
            continue
        print_line(
            console, f"run {key.digest}: {key.method} on {', '.join(key.feedback)}, seed {key.seed}, {key.device}"
        )
        training = ready.pop() if ready and ready[0].key == key else _training(key, data, track)
        try:
            with noticing_loss():
                records.append(train(training, store, console, imports=plan.imports, command=plan.command))
        except TrainingError as error:
            if len(plan.keys) == 1 or current().size > 1:  # another process may be gone
                raise
            failed.append(f"{key.title}: {error}")
            print_line(console, f"  failed: {error}")
    if failed:
        raise TrainingError(words_of_failed(failed, len(plan.keys)))
    return records


def words_of_failed(failed: Sequence[str], count: int, noun: str = "run") -> str:
    """Return why the first failed, and how many of so many runs, or other things, did."""
    others = "" if len(failed) == count else ", the others are kept"
    return failed[0] + (f"; {len(failed)} of {counted(count, noun)} failed{others}" if count > 1 else "")


def _first_training(keys: Sequence[RunKey], data: Dataset, store: Store, track: Sequence[str]) -> list[Training]:
    """Return the first run to train, so that what cannot work is refused before anything is written."""
    first = next((key for key in keys if not _is_complete(key, store)), None)
    return [] if first is None else [_training(first, data, track)]


def _is_complete(key: RunKey, store: Store) -> bool:
    """Return whether a run is complete where the first rank keeps its results."""
    return current().from_first(lambda: is_complete(key, store))


def _training(key: RunKey, data: Dataset, track: Sequence[str]) -> Training:
    return Training(key, data.narrow(key.feedback), track=track)
