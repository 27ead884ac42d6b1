"""What several runs show while they are trained: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from recbench.errors import counted
from recbench.results.number_words import clock
from recbench.results.record import RunRecord
from recbench.study.launchers.base import Finished
from recbench.terminal import print_line
from recbench.training.scorer import notes_once

SHOWN = 2  # methods on the live line


class RunsDisplay:
    """Shows the runs of a sweep, or others as `title` says, as they finish. Use as a context manager.

    The notes of the runs follow at the end, each once; those that are `told` already, to which they are added, do not.
    """

    def __init__(self, console: Console, runs: int, title: str = "sweep", told: set[str] | None = None) -> None:
        self.console = console
        self.runs = runs
        self.done = 0
        self.trained = 0  # of those done, by this command
        self.best: dict[str, float] = {}  # by method
        self.notes: set[str] = set()
        self.told: set[str] = set() if told is None else told
        self.started = time.perf_counter()
        self._progress = Progress(
            TextColumn(title),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=runs, state="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        for note in notes_once(self.notes - self.told):
            self._say(f"note: {note}")
        self.told |= self.notes
        if isinstance(error, KeyboardInterrupt):
            self._say(f"stopped after {self.done} of {counted(self.runs, 'run')}; type the same command to continue")

    def already_trained(self, finished: Collection[Finished]) -> None:
        """Count the runs that had a record before."""
        for run in finished:
            self._count(run)
        if finished:
            self._refresh()
            if not self.console.is_terminal:
                exist = "exists and is" if len(finished) == 1 else "exist and are"
                self._say(f"  {counted(len(finished), 'run')} {exist} not trained again")

    def expect(self, fewer: int) -> None:
        """Expect so many runs fewer."""
        self.runs -= fewer
        self._progress.update(self._task, total=self.runs)

    def finished(self, run: Finished, words: Sequence[str]) -> None:
        """Show a run that has just finished; `words` are the settings that are searched."""
        self._count(run)
        self.trained += 1
        self._refresh()
        name = f"  {self.done:>3}/{self.runs}  {'  '.join([run.key.method, *words])}  seed {run.key.seed}  "
        if not isinstance(run, RunRecord):
            self._say(f"{name}failed: {run.reason}")
        elif not self.console.is_terminal:
            reached = f"valid {run.select} {run.valid:.4f}  {run.seconds:.1f} s"
            best = f"  best so far {self.best[run.key.method]:.4f}" if words else ""
            self._say(f"{name}{reached}{best}  {self._left()}".rstrip())

    def _count(self, run: Finished) -> None:
        self.done += 1
        if isinstance(run, RunRecord):
            self.best[run.key.method] = max(run.valid, self.best.get(run.key.method, run.valid))
            self.notes.update(run.notes)

    def _refresh(self) -> None:
        ranked = sorted(self.best.items(), key=lambda best: -best[1])
        best = ", ".join(f"{method} {value:.4f}" for method, value in ranked[:SHOWN])
        state = escape(f"best so far {best}  {self._left()}")
        self._progress.update(self._task, completed=self.done, state=state, refresh=True)

    def _left(self) -> str:
        if not self.trained or self.done == self.runs:
            return ""
        seconds = (time.perf_counter() - self.started) / self.trained * (self.runs - self.done)
        return f"about {clock(seconds)} left"

    def _say(self, line: str) -> None:
        print_line(self._progress.console, line)
