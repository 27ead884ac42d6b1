"""The runs of a bakeoff: a program that fits the budget, its passes over all contestants, baselines, evaluation."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from recbench.backbones.base import BACKBONES
from recbench.baselines.base import BASELINES
from recbench.data.dataset import Dataset
from recbench.data.prepared_datasets import find_prepared
from recbench.errors import DataError, UsageError, counted
from recbench.evaluation.request import parse
from recbench.losses.base import LOSSES
from recbench.registry import Registry, imported_source
from recbench.results import leaderboard
from recbench.results.files import load, save
from recbench.results.record import RunKey, RunRecord
from recbench.results.store import Store
from recbench.run.baselines import BaselineRequest, run_baselines
from recbench.run.eval_command import EvalRequest
from recbench.run.evaluate import EvalOptions, EvaluatedRun, evaluate_run
from recbench.run.invocation import Invocation
from recbench.run.train_command import TrainRequest, imported_sources, keys_of
from recbench.study.bakeoff.contestants import Contestant, Question, contestants, listed
from recbench.study.bakeoff.passes import Passes
from recbench.study.bakeoff.program import FOR_BASELINES, Clock, Program, epoch_seconds, fit_program, passes_of
from recbench.study.fair import equal_terms
from recbench.study.launched_baselines import launch_baselines
from recbench.study.launchers.base import LaunchOptions, Work
from recbench.study.train_runs import RunTrainer
from recbench.terminal import print_line
from recbench.training.validate import UndefinedMetricError

ALWAYS_FITTED = ("popularity", "item-knn")  # whatever the budget
# the order in which a budget is spent
BASELINE_ORDER = (*ALWAYS_FITTED, "ials", "ease", "user-knn", "rp3beta", "slim", "gf-cf")
CUTOFFS = (50, 20, 10, 5)  # of recall: the first that is at most a tenth of the catalogue
LARGE_BATCHES = ((20_000_000, 16384), (1_000_000, 4096), (0, 1024))  # rows of train from which on, logged rows
Entrants = dict[Question, dict[str, list[RunRecord]]]  # question → method in words → its runs, one per seed


@dataclass(frozen=True)
class BakeoffRequest:
    """The options of a `bakeoff` command, once its dataset is prepared."""

    dataset: str  # DATASET or DATASET/SPLIT
    backbone: str
    losses: tuple[str, ...]  # none: a dozen that fit
    budget: float  # seconds
    launch: LaunchOptions = field(default_factory=LaunchOptions)  # where they train
    own: tuple[str, ...] = ()  # losses of the user's own, which compete beside the others
    imports: tuple[Path, ...] = ()  # the user's files
    classes: Mapping[str, str] = field(default_factory=dict)  # of no file to import: module and name to digest

    @property
    def jobs(self) -> int:
        """Runs that train at a time, by which the budget is reckoned."""
        return self.launch.jobs or 1


@dataclass(frozen=True)
class Bakeoff:
    """What competes on which data; `keys` makes their runs."""

    request: BakeoffRequest
    data: Dataset
    target: torch.device  # on which the contestants train
    contestants: tuple[Contestant, ...]
    sources: Mapping[str, str] = field(default_factory=dict)  # the user's file, or class → digest

    @property
    def cutoff(self) -> int:
        """K of recall@K."""
        items = len(self.data.items)
        return next((k for k in CUTOFFS if 10 * k <= items), CUTOFFS[-1])

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that every run is evaluated with."""
        return "auc", "gauc", f"recall@{self.cutoff}", f"ndcg@{self.cutoff}"

    def select(self, question: Question) -> str:
        """Return the validation metric by which epochs, learning rates and settings of baselines are chosen."""
        return "auc" if question == "ranking" else f"recall@{self.cutoff}"

    def keys(self, contestant: Contestant, epochs: int, rate: str, seeds: Sequence[int]) -> list[RunKey]:
        """Return the keys of a contestant's runs."""
        batch = next(size for rows, size in LARGE_BATCHES if len(self.data.train) >= rows)
        words = (f"epochs={epochs}", f"batch_size={batch}", f"select={self.select(contestant.question)}")
        request = TrainRequest(
            loss=contestant.loss,
            backbone=self.request.backbone,
            dataset=self.data.full_name,
            feedback=contestant.feedback,
            seeds=tuple(seeds),
            settings=tuple(f"train.{word}" for word in words),
            imports=self.request.imports,
        )
        fair = equal_terms(request)
        request = replace(fair, settings=(*fair.settings, f"train.lr={rate}"))
        return keys_of(request, self.data, self.target.type, self.sources)


def require_methods(backbone: str, losses: Sequence[str]) -> None:
    """Raise UsageError for a name that does not exist; asked before a log is prepared, which may take long."""
    BACKBONES.get(backbone)
    for name in losses:
        LOSSES.get(name)


def set_up(request: BakeoffRequest) -> Bakeoff:
    """Read the data and choose the contestants; raises UsageError if none fits."""
    sources = {**imported_sources(request.imports), **request.classes}
    here, target = request.launch.devices()
    data = Dataset.load(find_prepared(request.dataset), here)
    chosen = contestants(data, request.backbone, request.losses, request.own)
    return Bakeoff(request, data, target, tuple(chosen), sources)


def import_losses(paths: Sequence[Path], backbone: str, console: Console) -> tuple[str, ...]:
    """Import the user's files and return the names of the losses that they register.

    Where nothing of them competes, no loss, no baseline and no `backbone`, a line says so and what to do.
    """
    digests = imported_sources(paths).values()
    registries: tuple[Registry[Any], ...] = (LOSSES, BASELINES, BACKBONES)
    losses, baselines, backbones = (
        tuple(name for name, cls in registry.items() if imported_source(cls) in digests) for registry in registries
    )
    if paths and not losses and not baselines and backbone not in backbones:
        do = (
            f"train all with --backbone {backbones[0]}"
            if backbones
            else 'write @LOSSES.add("NAME") above the class of a loss'
        )
        files = " and ".join(path.name for path in paths)
        print_line(console, f"note: no loss is registered in {files}, so that nothing of your own competes; {do}")
    return losses


def run_bakeoff(bakeoff: Bakeoff, program: Program, clock: Clock, invocation: Invocation) -> tuple[Entrants, Program]:
    """Train, tune and evaluate all contestants and baselines; what has a record is not done again.

    Returns, for both questions, the runs of the best learning rate of each method, and of the baselines; and the
    program that was kept to, which is shorter than `program` where runs took longer than it says.
    """
    store, console = invocation.store, invocation.console
    fitting = [one for one in bakeoff.contestants if _key(bakeoff, one).digest not in program.left_out]
    if len(fitting) < len(bakeoff.contestants):
        out = [one for one in bakeoff.contestants if one not in fitting]
        print_line(console, f"left out for want of time: {listed(out)}; a larger --budget takes them in")
    questions = sorted({one.question for one in fitting}, reverse=True)  # retrieval first
    print_line(
        console, f"{counted(len(fitting), 'contestant')}: {listed(fitting)}; each {', '.join(passes_of(program))}"
    )
    share = bakeoff.request.budget * FOR_BASELINES / len(questions)
    entrants: Entrants = {}
    for question in questions:
        clock.say(f"baselines for {question}", share)
        records = _baselines(question, share, bakeoff, invocation)
        entrants[question] = {record.key.method: [record] for record in records}
    trained, program = _trained(bakeoff, program, fitting, clock, invocation)
    clock.say(f"evaluation of {counted(sum(map(len, trained.values())), 'run')} on the test rows")
    for contestant, runs in trained.items():
        with console.status(f"evaluating {contestant.loss}"):
            for record in runs:
                _evaluate(record, bakeoff, store)
        entrants[contestant.question][runs[0].key.method] = runs
    leaderboard.write_markdown(store)
    return entrants, program


def _trained(
    bakeoff: Bakeoff, program: Program, fitting: Sequence[Contestant], clock: Clock, invocation: Invocation
) -> tuple[dict[Contestant, list[RunRecord]], Program]:
    """Return the runs of each contestant at the learning rate that is best on validation, and the program kept to.

    A program that is shortened is written down, so that the same command goes on with that.
    """
    store = invocation.store
    digests = {one: _key(bakeoff, one).digest for one in bakeoff.contestants}

    def keep(shorter: Program, kept: Collection[Contestant]) -> None:
        out = tuple(digest for one, digest in digests.items() if one not in kept)
        save(program_path(bakeoff, store), replace(shorter, left_out=out))

    request, imports = bakeoff.request, [str(path) for path in bakeoff.request.imports]
    work = Work(store.root, str(bakeoff.target), tuple(imports), invocation.command, launch=request.launch)
    with RunTrainer(bakeoff.data, work, invocation.console) as train:
        passes = Passes(
            program=program,
            costs={one: program.costs.get(digests[one], 0.0) for one in fitting},
            keys_of=bakeoff.keys,
            train=train,
            store=store,
            jobs=request.jobs,
            at_once=request.jobs if request.launch.launcher == "local" else len(fitting),
            clock=clock,
            keep=keep,
        )
        trained = passes.run()
    store.write_plan([run.key for runs in trained.values() for run in runs], imports, invocation.command)
    return trained, passes.program


def program_of(bakeoff: Bakeoff, store: Store, console: Console) -> Program:
    """Return the program of this bakeoff: measured the first time, then kept, so that the same command goes on.

    A loss of the user's own, or a change of it, joins a program that there is, so that nothing else is trained again.
    Raises DataError for data on which the losses cannot be compared.
    """
    path, kept = program_path(bakeoff, store), None
    if path.exists():
        try:
            kept = load(path, Program)
        except DataError as error:
            print_line(console, f"warning: {error}")
    costs = {} if kept is None else dict(kept.costs)
    known = len(costs)
    for contestant in bakeoff.contestants:
        key = _key(bakeoff, contestant)
        if key.digest in costs or (kept is not None and contestant.loss not in bakeoff.request.own):
            continue
        with console.status(f"timing {contestant.loss}"):
            try:
                costs[key.digest] = epoch_seconds(key, bakeoff.data)
            except UndefinedMetricError:
                users, items = len(bakeoff.data.users), len(bakeoff.data.items)
                raise DataError(
                    f"{bakeoff.data.full_name}: no validation row says which loss is better, for "
                    f"{key.settings['train.select']} is undefined (users: {users:,}, items: {items:,}); a bakeoff "
                    "needs a log with more of them"
                ) from None
    if kept is not None and len(costs) == known:
        return kept
    fitted = fit_program(costs, bakeoff.request.budget, bakeoff.request.jobs) if kept is None else kept
    program = replace(fitted, costs=costs)
    save(path, program)
    return program


def program_path(bakeoff: Bakeoff, store: Store) -> Path:
    """Return where the program is kept: that of the same bakeoff without losses of the user's own."""
    apart = ("launch", "own", "imports", "classes")
    request = {name: value for name, value in asdict(bakeoff.request).items() if name not in apart}
    request |= {"jobs": bakeoff.request.jobs, "device": bakeoff.request.launch.device}
    others = [asdict(one) for one in bakeoff.contestants if one.loss not in bakeoff.request.own]
    aim = [bakeoff.data.fingerprint, request, others]
    if bakeoff.request.launch.launcher != "local":
        aim.append(bakeoff.target.type)
    return store.root / "bakeoffs" / f"{sha256(json.dumps(aim).encode()).hexdigest()[:12]}.json"


def _key(bakeoff: Bakeoff, contestant: Contestant) -> RunKey:
    return bakeoff.keys(contestant, 1, "0.01", (0,))[0]


def _evaluate(record: RunRecord, bakeoff: Bakeoff, store: Store) -> None:
    """Compute the metrics that a run does not have yet."""
    names = bakeoff.data.feedback if len(record.key.feedback) == 1 else record.key.feedback
    wanted = [replace(parse(metric), feedback=name) for metric in bakeoff.metrics for name in names]
    options = EvalOptions(device=bakeoff.data.train.user.device, only_missing=True)
    evaluate_run(record, store, wanted, options, data=bakeoff.data)


def _baselines(question: Question, share: float, bakeoff: Bakeoff, invocation: Invocation) -> list[RunRecord]:
    """Return the runs of the baselines, tuned for the question within a `share` of the budget, in seconds.

    Those that are left out are named.
    """
    console, silent = invocation.console, Console(quiet=True, force_terminal=False)
    on_device = bakeoff.data.train.user.device.type != "cpu"  # where baselines do not compute
    data = Dataset.load(bakeoff.data.folder) if on_device else bakeoff.data
    available = [name for name, baseline in BASELINES.items() if not baseline.missing()]
    place = {name: number for number, name in enumerate(BASELINE_ORDER)}
    requests = [
        BaselineRequest(
            dataset=bakeoff.data.full_name,
            feedback=(),
            only=(name,),
            seeds=(0,),
            settings=() if question == "ranking" else (f"train.select={bakeoff.select(question)}",),
            budget=max(1, math.floor(share / len(available))),
        )
        for name in sorted(available, key=lambda name: (place.get(name, len(place)), name))
    ]
    evaluation, launch = EvalRequest(metrics=bakeoff.metrics, only_missing=True), bakeoff.request.launch
    with console.status(f"tuning baselines for {question}"):
        if launch.launcher == "local":
            outcomes = _within(share, requests, evaluation, replace(invocation, console=silent), data)
        else:
            work = Work(invocation.store.root, "cpu", (), invocation.command, launch=launch)
            outcomes = launch_baselines(requests, evaluation, data, work, silent)
    records, left_out = [], dict[str, list[str]]()
    for name, outcome in outcomes.items():
        if isinstance(outcome, str):
            left_out.setdefault(outcome, []).append(name)
        else:
            records += [evaluated.record for evaluated in outcome]
    for reason, names in left_out.items():
        print_line(console, f"left out: {', '.join(names)}: {reason}")
    reached = ", ".join(f"{record.key.loss} {record.valid:.4f}" for record in records)
    print_line(console, f"baselines tuned for {question}, validation {bakeoff.select(question)}: {reached}")
    return records


def _within(
    seconds: float,
    requests: Sequence[BaselineRequest],
    evaluation: EvalRequest,
    invocation: Invocation,
    data: Dataset,
) -> dict[str, list[EvaluatedRun] | str]:
    """Do requests of one baseline each, and return what came of them by name, or why they are left out.

    Once the time is over, those that are left and are not cheap are left out.
    """
    deadline = time.monotonic() + seconds
    outcomes: dict[str, list[EvaluatedRun] | str] = {}
    for request in requests:
        (name,) = request.only
        if name not in ALWAYS_FITTED and time.monotonic() > deadline:
            outcomes[name] = "their share of the budget is spent; the same command goes on with them"
            continue
        try:
            outcomes[name] = run_baselines(request, evaluation, invocation, data)
        except UsageError as error:
            outcomes[name] = str(error)
    return outcomes
