"""Baselines by several processes or the nodes of a cluster: each is searched, fitted and evaluated in one place."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.errors import RecbenchError, TrainingError, UsageError, counted
from recbench.own_files import counted_paths
from recbench.registry import import_file
from recbench.results import leaderboard
from recbench.results.files import write_atomically
from recbench.results.record import RunRecord
from recbench.results.store import RECORD, Store
from recbench.run.baselines import BaselineRequest, plan_baselines, run_baseline
from recbench.run.eval_command import EvalRequest
from recbench.run.evaluate import EvaluatedRun
from recbench.run.invocation import Invocation
from recbench.run.raw_ids import FILES
from recbench.run.train_command import words_of_failed
from recbench.study.launchers.base import Work, call_each
from recbench.study.launchers.remote_run import read_sources
from recbench.terminal import print_line

Files = Mapping[str, bytes]  # by path in a folder


@dataclass(frozen=True)
class OneBaseline:
    """What a process is asked for."""

    request: BaselineRequest  # of one baseline
    evaluation: EvalRequest
    folder: Path  # of the prepared data
    work: Work


@dataclass(frozen=True)
class Found:
    """What came of it."""

    evaluated: Sequence[EvaluatedRun] = ()
    said: Sequence[str] = ()  # lines for the terminal
    failed: str = ""  # why there is nothing, in one line
    records: Sequence[RunRecord] = ()  # where the results are no folder of the driver's: new ones
    files: Files = field(default_factory=dict)  # and what else lies there


@dataclass(frozen=True)
class Sent:
    """What goes to a machine that shares no folder with the driver."""

    name: str  # DATASET/SPLIT
    prepared: Files  # the prepared data
    results: Files  # of baselines on these data: records, evaluations and searches
    imports: Files


def run_launched_baselines(
    request: BaselineRequest, evaluation: EvalRequest, work: Work, console: Console
) -> list[EvaluatedRun]:
    """Do what `run_baselines` does where `work.launch` says, each baseline in one place.

    Raises UsageError as that does, and TrainingError, after all others are done, where one came to nothing.
    """
    plan = plan_baselines(request, evaluation, console)
    requests = [replace(request, only=(name,), settings=_own(name, request.settings)) for name in plan.names]
    outcomes = launch_baselines(requests, evaluation, plan.data, work, console)
    failed = [f"{name}: {reason}" for name, reason in outcomes.items() if isinstance(reason, str)]
    if failed:
        raise TrainingError(words_of_failed(failed, len(outcomes), "baseline"))
    return [outcome for evaluated in outcomes.values() for outcome in evaluated if not isinstance(outcome, str)]


def _own(name: str, words: Sequence[str]) -> tuple[str, ...]:
    """Return the settings that concern one baseline."""
    return tuple(word for word in words if word.partition(".")[0] in (name, "train"))


def launch_baselines(
    requests: Sequence[BaselineRequest], evaluation: EvalRequest, data: Dataset, work: Work, console: Console
) -> dict[str, list[EvaluatedRun] | str]:
    """Do each of these requests, of one baseline each, where `work.launch` says.

    Returns what `run_baseline` does, by name, or why there is nothing, in one line. Raises UsageError for what does not
    work there.
    """
    store, shared = Store(work.results), None
    if work.launch.launcher == "ray":
        if evaluation.candidates.endswith(FILES):
            raise UsageError(
                f"--candidates {evaluation.candidates}: not with --launcher ray, whose nodes lack the file"
            )
        shared = _to_send(requests, data, store, work)
    else:
        work = replace(work, results=work.results.resolve())
    asked = [OneBaseline(request, evaluation, data.folder, work) for request in requests]
    outcomes: dict[str, list[EvaluatedRun] | str] = {}
    with console.status(counted(len(asked), "baseline")) as status:
        for number, found in call_each(run_there, asked, shared, work, console):
            (name,) = asked[number].request.only
            if isinstance(found, str):
                found = Found(failed=found)
            for line in found.said:
                print_line(console, line)
            _keep(found, store, work.imports)
            outcomes[name] = found.failed or list(found.evaluated)
            status.update(f"{len(asked) - len(outcomes)} of {counted(len(asked), 'baseline')} to go")
    if not all(isinstance(outcome, str) for outcome in outcomes.values()):
        leaderboard.write_markdown(store)
    return {name: outcomes[name] for (name,) in (one.request.only for one in asked)}


def run_there(asked: OneBaseline, sent: Sent | None) -> Found:
    """Do what is asked for, in the folders of the driver, or in temporary ones with what was sent."""
    if sent is None:
        return _found(asked, _read(asked.folder), Store(asked.work.results))
    with TemporaryDirectory(prefix="recbench-") as name:
        folder = Path(name)
        prepared, results, imports = folder / "prepared" / sent.name, folder / "results", folder / "imports"
        for files, path in ((sent.prepared, prepared), (sent.results, results), (sent.imports, imports)):
            _write(files, path)
        files_there = tuple(str(imports / file) for file in sent.imports)
        there = replace(asked, work=replace(asked.work, imports=files_there))
        store = Store(results)
        found = _found(there, Dataset.load(prepared), store)
        records = [record for record, _ in store.runs()]
        files = _read_files(results, "runs/**/*", "sweeps/*")
        others = {name: content for name, content in files.items() if not name.endswith(RECORD)}
        return replace(found, records=records, files=others)


def _found(asked: OneBaseline, data: Dataset, store: Store) -> Found:
    said = io.StringIO()
    lines = Console(file=said, width=10_000)
    (name,) = asked.request.only
    try:
        for path in asked.work.imports:
            import_file(Path(path))
        plan = plan_baselines(asked.request, asked.evaluation, Console(quiet=True), data)
        evaluated = run_baseline(name, plan, Invocation(store, lines, asked.work.command))
    except RecbenchError as error:
        return Found(failed=str(error))
    bare = [replace(one, values=[replace(value, parts=None) for value in one.values]) for one in evaluated]
    return Found(bare, said.getvalue().splitlines())


@lru_cache(1)
def _read(folder: Path) -> Dataset:
    return Dataset.load(folder)


def _to_send(requests: Sequence[BaselineRequest], data: Dataset, store: Store, work: Work) -> Sent:
    """Return all that a machine needs that has none of the driver's folders."""
    names = [name for request in requests for name in request.only]
    runs = [f"runs/{data.name}-{data.split}/{name}-baseline/*" for name in names]
    records = [f"{run}/{file}" for run in runs for file in (RECORD, "evaluations/*.json")]
    return Sent(
        name=data.full_name,
        prepared=_read_files(data.folder, "**/*"),
        results=_read_files(store.root, *records, "sweeps/*.json"),
        imports=read_sources(work),
    )


def _read_files(folder: Path, *patterns: str) -> Files:
    paths = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _write(files: Files, folder: Path) -> None:
    for name, content in files.items():
        write_atomically(folder / name, content)


def _keep(found: Found, store: Store, imports: Sequence[str]) -> None:
    """Write what a machine has written to its results, records with the files of --import as they were typed here."""
    for record in found.records:
        if record.key not in store:
            store.write_record(replace(record, imports=counted_paths(imports, record.key.sources)))
    for name, content in found.files.items():
        write_atomically(store.root / name, content, once=True)
