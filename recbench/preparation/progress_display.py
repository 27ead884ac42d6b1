"""What `prepare` shows while it works, on stderr: a bar with rate and time left, or plain lines without a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.prompt import Confirm
from rich.text import Text

from recbench.progress import Progress
from recbench.terminal import print_line

QUIET = 2.0  # seconds that pass before a step is worth a line


class Display(Progress):
    """Shows the steps of one `prepare`. Use as a context manager."""

    def __init__(self, console: Console, dataset: str) -> None:
        self.console = console
        self.dataset = dataset
        self._bars: Bars | None = None
        self._what, self._began, self._said = "", time.monotonic(), 0.0
        self._done, self._total = 0, 0

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            columns = TextColumn("{task.description}"), BarColumn(bar_width=20), _Done(), TimeRemainingColumn()
            self._bars = Bars(*columns, console=self.console, transient=True)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
        elif kind is None:
            self._say_what_took_long()

    def step(self, what: str, total: int | None = None, unit: str = "bytes") -> None:
        """Show the next step in place of the last one."""
        if self._bars is not None:
            for task in self._bars.task_ids:
                self._bars.remove_task(task)
            self._bars.add_task(escape(f"{self.dataset}: {what}"), total=total, unit=unit)
        else:
            self._say_what_took_long()
        self._what, self._began, self._said = what, time.monotonic(), 0.0
        self._done, self._total = 0, total or 0

    def advance(self, amount: int) -> None:
        """Move the bar; without a terminal, say so every half a minute."""
        self._done += amount
        if self._bars is not None:
            for task in self._bars.task_ids:
                self._bars.advance(task, amount)
            return
        took = time.monotonic() - self._began
        if took - self._said >= 30 and self._total:
            self._said = took
            left = took * (self._total / max(1, self._done) - 1)
            self._print(f"{self._what}: {self._done / self._total:.0%}, about {left:.0f} s left")

    def show_message(self, text: str) -> None:
        """Print some lines, above the bar."""
        print_line(self.console, text)

    def ask(self, licence: str) -> bool:
        """Show a licence and return whether the user accepts it; no without a terminal to ask on."""
        self.show_message(licence)
        if not (self.console.is_terminal and sys.stdin.isatty()):
            return False
        if self._bars is not None:
            self._bars.stop()
        accepted = Confirm.ask("Do you accept it?", console=self.console, default=False)
        if self._bars is not None:
            self._bars.start()
        return accepted

    def _say_what_took_long(self) -> None:
        took = time.monotonic() - self._began
        if self._what and took >= QUIET:
            self._print(f"{self._what}: {took:.1f} s")

    def _print(self, line: str) -> None:
        print_line(self.console, f"{self.dataset}: {line}")


class _Done(ProgressColumn):
    """How much is done, and how fast."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text(f"{task.elapsed or 0:.0f} s")
        if not task.completed:
            return Text("")
        rate = task.speed or 0.0
        if task.fields["unit"] == "rows":
            return Text(f"{task.completed / 1e6:,.1f} M rows, {rate / 1e6:,.2f} M rows/s")
        return Text(f"{task.completed / 1e6:,.0f} MB, {rate / 1e6:,.0f} MB/s")
