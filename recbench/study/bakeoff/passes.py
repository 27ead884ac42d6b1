"""The training of a bakeoff: passes over all contestants on equal terms, fewer where the budget would be overrun."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from recbench.results.record import RunKey, RunRecord
from recbench.results.store import Store
from recbench.study.bakeoff.contestants import Contestant, listed
from recbench.study.bakeoff.program import FOR_EVALUATION, Clock, Program, passes_of
from recbench.study.launchers.base import Finished
from recbench.study.train_runs import RunTrainer
from recbench.terminal import print_line
from recbench.training.train import is_complete

KeysOf = Callable[[Contestant, int, str, Sequence[int]], list[RunKey]]  # of so many epochs, a learning rate and seeds
Keep = Callable[[Program, Collection[Contestant]], None]  # writes down the program and whom it is for
FEWEST = 2  # losses of a question that are trained however little time there is
EARLY = 0.25  # share of the first pass, by cost, up to which all may begin anew with fewer epochs
LEAST = 0.4  # share of the budget that there is for training, however long the baselines took
ENOUGH = 0.05  # share of the budget after which what runs took tells what others will


@dataclass
class Passes:
    """Trains contestants pass by pass: all at each learning rate, then all with more seeds at the best of them.

    What the first runs take says what the others will. Where that is more than is left of the budget, all get fewer
    epochs, or once much is done the dearest losses are left out. Later passes are begun only if there is time for them,
    and more than were planned where there is.
    """

    program: Program
    costs: dict[Contestant, float]  # seconds of an epoch of each, as measured on a few steps
    keys_of: KeysOf
    train: RunTrainer
    store: Store
    jobs: int  # runs that train at a time
    at_once: int  # runs after which the time is looked at
    clock: Clock
    keep: Keep
    seconds_of_pass: float = 0.0
    spent: float = 0.0  # seconds that runs of this command took
    expected: float = 0.0  # and would have by their costs

    def __post_init__(self) -> None:
        budget = self.clock.budget
        self.until = max(budget * (1 - FOR_EVALUATION), self.clock.elapsed + budget * LEAST)  # on the clock

    def run(self) -> dict[Contestant, list[RunRecord]]:
        """Return the runs of each contestant at the learning rate that is best on validation, one per seed.

        `program` and `costs` are then those that were kept to.
        """
        reached: dict[Contestant, dict[str, float]] = {}
        failed: dict[str, str] = {}
        number = 0
        while number < len(self.program.rates):
            runs = self._pass(number) if number else self._first_pass()
            for one, run in runs.items():
                if isinstance(run, RunRecord):
                    reached.setdefault(one, {})[self.program.rates[number]] = run.valid
                else:
                    failed[one.loss] = run.reason
            number += 1
            self._fit(number, self._seconds(runs))
        for loss, reason in failed.items():
            print_line(self.clock.console, f"warning: {loss}: {reason}")
        return self._seeds({one: max(values, key=values.__getitem__) for one, values in reached.items()})

    @property
    def left(self) -> float:
        """Seconds until the evaluation should begin; below 0 if it should have begun."""
        return self.until - self.clock.elapsed

    @property
    def slowness(self) -> float:
        """What runs took over what the first steps of each had said."""
        return self.spent / self.expected if self.expected else 1.0

    def _first_pass(self) -> dict[Contestant, Finished]:
        """Train all at the first learning rate, as often as it is begun anew."""
        while True:
            runs = self._watched(self._keys(0))
            if runs is not None:
                return runs

    def _watched(self, keys: dict[Contestant, RunKey]) -> dict[Contestant, Finished] | None:
        """Train the first pass, and look at the time now and then; return None if all are to begin anew."""
        seconds = self.slowness * self.program.epochs * sum(self.costs.values()) / self.jobs
        epochs = f"at most {self.program.epochs} epochs" if self.program.epochs > 1 else "one epoch"
        self.clock.say(f"{len(keys)} {'losses' if len(keys) > 1 else 'loss'} at {self._title(0)}, {epochs}", seconds)
        of_digest = {key.digest: one for one, key in keys.items()}
        measured = {key.digest for key in keys.values() if is_complete(key, self.store)}
        looked_at, anew = time.monotonic(), False

        def wanted(runs: Mapping[str, Finished], waiting: Sequence[RunKey]) -> list[RunKey]:
            nonlocal looked_at, anew
            fresh = {of_digest[digest]: run for digest, run in runs.items() if digest not in measured}
            measured.update(runs)
            if fresh:
                self.spent += time.monotonic() - looked_at
                self.expected += self._expected(fresh)
            looked_at = time.monotonic()
            if not self.expected or self.spent < ENOUGH * self.clock.budget:
                return list(waiting)
            contestants = [of_digest[key.digest] for key in waiting]
            anew = self._fewer_epochs(contestants)
            return [] if anew else [keys[one] for one in self._affordable(contestants)]

        runs = self.train(list(keys.values()), self._title(0), self.at_once, wanted)
        return None if anew else {of_digest[digest]: run for digest, run in runs.items()}

    def _fewer_epochs(self, waiting: Sequence[Contestant]) -> bool:
        """Give all fewer epochs if it is early and they would take too long; return whether that was done."""
        whole = sum(self.costs.values())
        ahead = sum(self.costs[one] for one in waiting)
        epoch = self.slowness / self.jobs  # seconds of an epoch for each second of costs
        left = self.left
        if epoch * self.program.epochs * ahead <= left or ahead < (1 - EARLY) * whole:
            return False
        epochs = max(1, int(left / (epoch * whole)))
        if epochs >= self.program.epochs:
            return False
        print_line(
            self.clock.console,
            f"runs take {self.slowness:.1f} times what their first steps said; all begin anew with at most {epochs} "
            f"epochs in place of {self.program.epochs}",
        )
        self.program = replace(self.program, epochs=epochs, rates=self.program.rates[:1], seeds=1)
        self.keep(self.program, self.costs)
        return True

    def _affordable(self, waiting: Sequence[Contestant]) -> list[Contestant]:
        """Return those of the waiting, the cheapest first, for whom there is time, or without whom nothing is compared.

        The others are out.
        """
        number = Counter(one.question for one in self.costs if one not in waiting)
        kept, seconds = [], 0.0
        for one in waiting:
            seconds += self.slowness * self.program.epochs * self.costs[one] / self.jobs
            if seconds <= self.left or number[one.question] < FEWEST:
                kept.append(one)
                number[one.question] += 1
        out = [one for one in waiting if one not in kept]
        if out:
            print_line(self.clock.console, f"left out for want of time: {listed(out)}; a larger --budget takes them in")
            for one in out:
                del self.costs[one]
            self.keep(self.program, self.costs)
        return kept

    def _fit(self, done: int, seconds: float) -> None:
        """Take as many more passes into the program as there is time for, after so many rates and seconds for each."""
        self.seconds_of_pass = seconds
        if not self.expected:  # on record are runs that there was time for
            return
        further = int(max(0.0, self.left) / max(seconds, 1e-9))
        program = self.program.within(done, further)
        if program != self.program:
            fewer = len(program.rates) + program.seeds < len(self.program.rates) + self.program.seeds
            self.program = program
            self.keep(program, self.costs)
            more = ", no more" if fewer else ""
            print_line(self.clock.console, f"there is time for {' and '.join(passes_of(program)[1:])}{more}")

    def _pass(self, number: int) -> dict[Contestant, Finished]:
        """Train all at one of the further learning rates."""
        title, keys = self._title(number), self._keys(number)
        self.clock.say(title, self.seconds_of_pass)
        runs = self.train(list(keys.values()), title)
        return {one: runs[key.digest] for one, key in keys.items()}

    def _seeds(self, best: dict[Contestant, str]) -> dict[Contestant, list[RunRecord]]:
        """Train all with every seed at their best learning rate."""
        program = self.program
        finals = {one: self.keys_of(one, program.epochs, rate, range(program.seeds)) for one, rate in best.items()}
        keys = [key for of_seed in zip(*finals.values(), strict=True) for key in of_seed]
        if program.seeds > 1:
            self.clock.say(f"{program.seeds} seeds", (program.seeds - 1) * self.seconds_of_pass)
        finished = self.train(keys, "seeds")
        trained = {
            one: [run for key in of_contestant if isinstance(run := finished[key.digest], RunRecord)]
            for one, of_contestant in finals.items()
        }
        return {one: runs for one, runs in trained.items() if runs}

    def _keys(self, number: int) -> dict[Contestant, RunKey]:
        """Return the keys of the pass at a learning rate, the cheapest first."""
        order = sorted(self.costs, key=self.costs.__getitem__)
        return {one: self.keys_of(one, self.program.epochs, self.program.rates[number], (0,))[0] for one in order}

    def _title(self, number: int) -> str:
        return f"learning rate {self.program.rates[number]}, {number + 1} of {len(self.program.rates)}"

    def _expected(self, runs: dict[Contestant, Finished]) -> float:
        """Return the seconds that runs would take by the costs, by the epochs that each went on for."""
        records = {one: run for one, run in runs.items() if isinstance(run, RunRecord)}
        return sum(self.costs[one] * record.curve[-1]["epoch"] for one, record in records.items()) / self.jobs

    def _seconds(self, runs: dict[Contestant, Finished]) -> float:
        return self.slowness * self._expected(runs)
