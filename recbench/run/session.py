"""What the commands `train` and `eval` do: which data, which runs, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from recbench import settings
from recbench.data.dataset import Dataset, find_prepared
from recbench.data.prepared_folder import read_manifest
from recbench.errors import DataError, UsageError
from recbench.evaluation import dialects
from recbench.evaluation.dialects import Asked
from recbench.evaluation.metric import Request, parse
from recbench.evaluation.retrieval import IndexKind
from recbench.registry import import_file, import_recorded
from recbench.results import leaderboard
from recbench.results.record import RunKey, RunRecord
from recbench.results.store import Store
from recbench.run import preset as presets
from recbench.run.evaluate import Candidates, Outcome, evaluate_run, load_dataset
from recbench.run.model import pick_device
from recbench.run.plan import make_keys
from recbench.run.train import check, is_complete, train

DEFAULT_METRICS = ("auc", "gauc", "recall@50", "ndcg@50")
DEFAULT_BACKBONE = "twintower"


@dataclass(frozen=True)
class TrainRequest:
    """The words of a `train` command."""

    loss: str
    backbone: str | None  # None: the preset's, or `twintower`
    dataset: str | None  # None: the preset's, or the most recently prepared
    feedback: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: tuple[str, ...]  # "loss.scale=2.57"
    imports: tuple[Path, ...]
    preset: str | None = None  # "gnolr/ml-1m"; what is given beside it wins


def train_all(order: TrainRequest, store: Store, console: Console, device: str, command: str) -> list[RunRecord]:
    """Train one run per seed; runs that have a record are not trained again."""
    sources = import_all(order.imports)
    target = pick_device(device)
    filled = complete(order)
    data = Dataset.load(find_prepared(filled.dataset), target)
    keys = keys_of(filled, data, target.type, sources)
    check(keys[0], data.narrow(keys[0].feedback))
    if order.preset is not None:
        say(console, f"preset {order.preset}: {' '.join(filled.settings)}")
    chosen = "" if filled.dataset else " (the most recently prepared)"
    say(console, f"dataset {data.name}/{data.split}{chosen}")
    if read_manifest(data.folder)["counts"]["matches"] is False:
        say(console, "warning: its counts are not the catalogue's; `recbench prepare` says what differs")
    imports = [str(path) for path in order.imports]
    store.write_plan(keys, imports, command)
    return train_keys(keys, data, store, console, command, imports)


def import_all(paths: Sequence[Path]) -> dict[str, str]:
    """Import users' files and return their digests by name; raises UsageError if two have the same name."""
    sources = {path.name: import_file(path) for path in paths}
    if len(sources) < len(paths):
        raise UsageError("--import: two files have the same name; rename one")
    return sources


def complete(order: TrainRequest) -> TrainRequest:
    """Return the order with what it leaves open filled in: from its preset, else the default backbone.

    Raises UsageError for a preset that does not exist, does not fit, or whose data are not prepared.
    """
    if order.preset is None:
        return replace(order, backbone=order.backbone or DEFAULT_BACKBONE)
    preset = presets.find(order.preset)
    backbone = order.backbone or preset.paper.backbone
    words = preset.words(order.loss, backbone)
    dataset = order.dataset or preset.prepared()
    own = dataset.partition("/")[0] == preset.entry.dataset
    feedback = order.feedback or (preset.feedback(order.loss) if own else ())
    return replace(order, backbone=backbone, dataset=dataset, feedback=feedback, settings=(*words, *order.settings))


def keys_of(order: TrainRequest, data: Dataset, device: str, sources: Mapping[str, str]) -> list[RunKey]:
    """Return the keys of a completed order, one per seed; raises UsageError for whatever does not exist."""
    words = settings.split_words(list(order.settings), ("loss", "backbone", "train"))
    backbone = order.backbone or DEFAULT_BACKBONE
    return make_keys(data, order.loss, backbone, words, order.feedback, order.seeds, device, sources)


def resume_last(store: Store, console: Console, device: str) -> list[RunRecord]:
    """Finish the runs of the last `train`, each from its last finished epoch."""
    plan = store.read_plan()
    left = [key for key in plan.keys if not is_complete(key, store)]
    if not left:
        raise UsageError("nothing to resume: every run of the last `train` is finished")
    import_recorded(plan.imports, left[0].sources)
    target = pick_device(left[0].device if device == "auto" else device)
    if target.type != left[0].device:
        raise UsageError(f"--device {device}: the run began on {left[0].device}, and goes on there only")
    data = load_dataset(left[0], target)
    say(console, f"dataset {data.name}/{data.split}, {len(left)} of {len(plan.keys)} runs to finish")
    return train_keys(left, data, store, console, plan.command, plan.imports)


def chosen(runs: Sequence[str], store: Store, console: Console) -> list[RunRecord]:
    """Return the runs that the words name, see `Store.named`, or those of the last `train`, and say so."""
    if runs:
        return list({record.key.digest: record for word in runs for record in store.named(word)}.values())
    records = _last_records(store)
    say(console, f"run {', '.join(record.key.digest for record in records)} (the most recent)")
    return records


def requested(metrics: Sequence[str], dialect: str | None) -> list[Request] | list[Asked]:
    """Read the names of metrics, default those that the dialect has of AUC, GAUC, recall and NDCG."""
    if dialect is None:
        return [parse(word) for word in metrics or DEFAULT_METRICS]
    spoken = dialects.dialect(dialect)
    known = [word for word in DEFAULT_METRICS if word.partition("@")[0] in spoken.rules]
    return [spoken.ask(word) for word in metrics or known]


def evaluate_all(
    records: Sequence[RunRecord],
    metrics: Sequence[str],
    store: Store,
    console: Console,
    candidates: Candidates,
    index: IndexKind,
    device: str,
    keep_seen: bool = False,
    rescore: bool = False,
    dialect: str | None = None,
) -> list[Outcome]:
    """Compute these metrics of the runs, by default AUC, GAUC, recall and NDCG, and keep them.

    To `rescore`, from the scores that an earlier evaluation kept.
    """
    requests = requested(metrics, dialect)
    target = pick_device(device)
    outcomes = []
    for record in records:
        with console.status(f"evaluating {record.key.digest}"):
            outcomes.append(
                evaluate_run(
                    record,
                    store,
                    requests,
                    candidates=candidates,
                    index=index,
                    keep_seen=keep_seen,
                    device=target,
                    rescore=rescore,
                )
            )
    leaderboard.write_markdown(store)
    for note in sorted({note for outcome in outcomes for note in outcome.notes}):
        say(console, f"note: {note}")
    return outcomes


def train_keys(
    keys: Iterable[RunKey],
    data: Dataset,
    store: Store,
    console: Console,
    command: str,
    imports: list[str],
) -> list[RunRecord]:
    """Train these runs one after the other; those that are complete are not trained again."""
    records = []
    for key in keys:
        if is_complete(key, store):
            say(console, f"run {key.digest} exists, not trained again: {store.folder(key)}")
        else:
            method = f"{key.loss} × {key.backbone} on {', '.join(key.feedback)}"
            say(console, f"run {key.digest}: {method}, seed {key.seed}, {key.device}")
        records.append(train(key, data.narrow(key.feedback), store, console, imports=imports, command=command))
    return records


def _last_records(store: Store) -> list[RunRecord]:
    """Return the finished runs of the last `train`, or the run that finished last where there is no such plan."""
    try:
        finished = [store.record(key) for key in store.read_plan().keys if key in store]
    except (UsageError, DataError):
        finished = []
    return finished or [store.latest()]


def say(console: Console, line: str) -> None:
    """Print a line as it is, whatever its length."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)
