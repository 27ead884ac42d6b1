"""How the training of a bakeoff keeps to its budget, in simulated time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from recbench.results.record import Epoch, RunKey, RunRecord, now
from recbench.results.store import Store
from recbench.study.bakeoff import passes
from recbench.study.bakeoff import program as programs
from recbench.study.bakeoff.contestants import Contestant
from recbench.study.bakeoff.passes import Passes
from recbench.study.bakeoff.program import FOR_EVALUATION, PROGRAMS, Program, fit_program
from recbench.study.launchers.base import Finished
from recbench.study.train_runs import Wanted

COSTS = {loss: 0.5 + 0.25 * number for number, loss in enumerate("abcdefghijkl")}  # seconds of an epoch
BUDGET = 1200.0


@dataclass
class Simulation:
    """A machine on which an epoch takes `slow` times what was measured; runs stop after a share of their epochs."""

    slow: float
    stops: float = 1.0
    seconds: float = 0.0
    trained: dict[str, RunRecord] = field(default_factory=dict)

    def train(
        self, keys: Sequence[RunKey], title: str, at_once: int = 1, wanted: Wanted | None = None
    ) -> dict[str, Finished]:
        if wanted is None:
            return self.train_all(keys)
        runs: dict[str, Finished] = {}
        while keys:
            runs |= self.train_all(keys[:at_once])
            keys = wanted(runs, keys[at_once:])
        return runs

    def train_all(self, keys: Sequence[RunKey]) -> dict[str, Finished]:
        for key in keys:
            if key.digest not in self.trained:
                epochs = max(1, round(self.stops * int(key.settings["train.epochs"])))
                self.seconds += self.slow * COSTS[key.loss] * epochs
                self.trained[key.digest] = record(key, epochs)
        return {key.digest: self.trained[key.digest] for key in keys}


def record(key: RunKey, epochs: int) -> RunRecord:
    valid = float(key.settings["train.lr"])
    curve = [Epoch(epoch=epochs, loss=1.0, metric=valid, seconds=1.0, slots=1)]
    return RunRecord(key, curve, "auc", epochs, valid, 1.0, 1, 1.0, 1.0, 1, "cpu", "", {}, now())


def key_of(one: Contestant, epochs: int, rate: str, seed: int) -> RunKey:
    settings = {"train.epochs": epochs, "train.lr": float(rate)}
    return RunKey("log", "global", "0" * 64, one.feedback, one.loss, "mf", seed, "cpu", settings)


def simulate(
    machine: Simulation, program: Program, folder: Path, monkeypatch: pytest.MonkeyPatch, kept: list[Program]
) -> tuple[Passes, dict[Contestant, list[RunRecord]]]:
    time = SimpleNamespace(monotonic=lambda: machine.seconds)
    for module in (passes, programs):
        monkeypatch.setattr(module, "time", time)
    monkeypatch.setattr(passes, "is_complete", lambda key, _: key.digest in machine.trained)

    def keep(shorter: Program, _: Collection[Contestant]) -> None:
        kept.append(shorter)

    def keys_of(one: Contestant, epochs: int, rate: str, seeds: Sequence[int]) -> list[RunKey]:
        return [key_of(one, epochs, rate, seed) for seed in seeds]

    costs = {Contestant("ranking", loss, ("click",)): cost for loss, cost in COSTS.items()}
    clock = programs.Clock(BUDGET, Console(quiet=True), machine.seconds)
    made = Passes(program, costs, keys_of, machine.train, Store(folder), 1, 1, clock, keep)
    return made, made.run()


@pytest.mark.parametrize("slow", [0.3, 1.0, 1.3, 2.0, 3.5, 8.0, 20.0, 1000.0])
@pytest.mark.parametrize("stops", [0.4, 1.0])
def test_a_budget_is_kept_however_slow_the_machine_is(
    slow: float, stops: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, kept = Simulation(slow, stops), list[Program]()
    program = fit_program(COSTS, BUDGET, 1)
    made, runs = simulate(machine, program, tmp_path, monkeypatch, kept)
    least = slow * (program.epochs * COSTS["a"] + COSTS["a"] + COSTS["b"])  # the first run, then an epoch of two losses
    assert machine.seconds <= max(BUDGET * (1 - FOR_EVALUATION), least)
    ended = made.program
    assert ended == (kept[-1] if kept else program)
    for records in runs.values():
        assert {run.key.settings["train.epochs"] for run in records} == {ended.epochs}
        assert {str(run.key.settings["train.lr"]) for run in records} == {max(ended.rates)}
        assert [run.key.seed for run in records] == list(range(ended.seeds))
    pass_seconds = slow * max(1, round(stops * ended.epochs)) * sum(COSTS[one.loss] for one in runs)
    if (len(ended.rates), ended.seeds) != PROGRAMS[0]:  # what is left of the budget is too little for another pass
        assert BUDGET * (1 - FOR_EVALUATION) - machine.seconds < pass_seconds
    if slow * stops <= 1:
        assert ended.epochs == program.epochs and len(runs) == len(COSTS)
        assert len(ended.rates) >= len(program.rates) and ended.seeds >= program.seeds
    assert len(runs) >= (3 if slow < 100 else 2)


def test_the_same_command_goes_on_with_the_shorter_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, kept = Simulation(3.0), list[Program]()
    first, runs = simulate(machine, fit_program(COSTS, BUDGET, 1), tmp_path, monkeypatch, kept)
    seconds = machine.seconds
    again, same = simulate(machine, first.program, tmp_path, monkeypatch, kept)
    assert machine.seconds == seconds
    assert again.program == first.program
    assert {one: same[one] for one in runs} == runs


def test_a_program_within_some_passes() -> None:
    program = Program(8, ("0.02", "0.005", "0.05"), 3, 1.0)
    found = {further: program.within(1, further) for further in range(5)}
    assert [(len(it.rates), it.seeds) for it in found.values()] == [(1, 1), (2, 1), (1, 3), (2, 3), (3, 3)]
    assert [(len(it.rates), it.seeds) for it in (program.within(3, 0), program.within(3, 2))] == [(3, 1), (3, 3)]
    assert program.within(3, 1).seeds == 1
    assert replace(program, rates=("0.02",), seeds=1).within(1, 9) == program
