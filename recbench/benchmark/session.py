"""What the commands `train` and `eval` do: which data, which runs, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from recbench import settings
from recbench.benchmark.evaluate import Candidates, Outcome, evaluate_run, load_dataset
from recbench.benchmark.model import pick_device
from recbench.benchmark.plan import make_keys
from recbench.benchmark.train import check, is_complete, train
from recbench.data.dataset import Dataset, find_prepared
from recbench.data.store import read_manifest
from recbench.errors import DataError, UsageError
from recbench.evaluation.metric import parse
from recbench.evaluation.retrieval import IndexKind
from recbench.registry import import_file, import_recorded
from recbench.results import leaderboard
from recbench.results.record import RunKey, RunRecord
from recbench.results.store import Store

DEFAULT_METRICS = ("auc", "gauc", "recall@50", "ndcg@50")


@dataclass(frozen=True)
class Order:
    """The words of a `train` command."""

    loss: str
    backbone: str
    dataset: str | None  # None: the most recently prepared
    feedback: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: tuple[str, ...]  # "loss.scale=2.57"
    imports: tuple[Path, ...]


def train_all(order: Order, store: Store, console: Console, device: str, command: str) -> list[RunRecord]:
    """Train one run per seed; runs that have a record are not trained again."""
    sources = {path.name: import_file(path) for path in order.imports}
    if len(sources) < len(order.imports):
        raise UsageError("--import: two files have the same name; rename one")
    words = settings.split_words(list(order.settings), ("loss", "backbone", "train"))
    target = pick_device(device)
    data = Dataset.load(find_prepared(order.dataset), target)
    keys = make_keys(data, order.loss, order.backbone, words, order.feedback, order.seeds, target.type, sources)
    check(keys[0], data.narrow(keys[0].feedback))
    chosen = "" if order.dataset else " (the most recently prepared)"
    _say(console, f"dataset {data.name}/{data.split}{chosen}")
    if read_manifest(data.folder)["counts"]["matches"] is False:
        _say(console, "warning: its counts are not the catalogue's; `recbench prepare` says what differs")
    imports = [str(path) for path in order.imports]
    store.write_plan(keys, imports, command)
    return _train_keys(keys, data, store, console, command, imports)


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
    _say(console, f"dataset {data.name}/{data.split}, {len(left)} of {len(plan.keys)} runs to finish")
    return _train_keys(left, data, store, console, plan.command, plan.imports)


def evaluate_all(
    runs: Sequence[str],
    metrics: Sequence[str],
    store: Store,
    console: Console,
    candidates: Candidates,
    index: IndexKind,
    device: str,
) -> list[Outcome]:
    """Evaluate the runs named by the first digits of their digests, or those of the last `train`."""
    requests = [parse(word) for word in metrics or DEFAULT_METRICS]
    target = pick_device(device)
    records = [store.find(prefix) for prefix in runs] if runs else _last_records(store)
    if not runs:
        names = ", ".join(record.key.digest for record in records)
        _say(console, f"run {names} (the most recent)")
    outcomes = []
    for record in records:
        with console.status(f"evaluating {record.key.digest}"):
            outcomes.append(evaluate_run(record, store, requests, candidates=candidates, index=index, device=target))
    leaderboard.write_markdown(store)
    for note in sorted({note for outcome in outcomes for note in outcome.notes}):
        _say(console, f"note: {note}")
    return outcomes


def _train_keys(
    keys: Iterable[RunKey],
    data: Dataset,
    store: Store,
    console: Console,
    command: str,
    imports: list[str],
) -> list[RunRecord]:
    records = []
    for key in keys:
        if is_complete(key, store):
            _say(console, f"run {key.digest} exists, not trained again: {store.folder(key)}")
        else:
            method = f"{key.loss} × {key.backbone} on {', '.join(key.feedback)}"
            _say(console, f"run {key.digest}: {method}, seed {key.seed}, {key.device}")
        records.append(train(key, data.narrow(key.feedback), store, console, imports=imports, command=command))
    return records


def _last_records(store: Store) -> list[RunRecord]:
    """Return the finished runs of the last `train`, or the run that finished last where there is no such plan."""
    try:
        finished = [store.record(key) for key in store.read_plan().keys if key in store]
    except (UsageError, DataError):
        finished = []
    return finished or [store.latest()]


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
