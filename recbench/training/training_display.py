"""What `train` shows while it works: a live line on a terminal, plain lines elsewhere. Always on stderr."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from recbench.results.number_words import clock
from recbench.terminal import print_line


class TrainingDisplay:
    """Shows one run. Use as a context manager."""

    def __init__(self, console: Console, title: str, metric: str, epochs: int, rows: int) -> None:
        self.console = console
        self.title = title
        self.metric = metric
        self.epochs = epochs
        self.rows = rows
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                TextColumn("{task.fields[state]}"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task(escape(self.title), total=self.rows * self.epochs, state="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def advance(self, epoch: int, rows: int, loss: float | None, rate: float) -> None:
        """Show that `rows` rows of this epoch are done, at `rate` rows per second."""
        if self._progress is not None and self._task is not None:
            done = (epoch - 1) * self.rows + min(rows, self.rows)
            mean = "" if loss is None else f"  loss {loss:.4f}"
            state = f"epoch {epoch}/{self.epochs}{mean}  {rate_in_words(rate)}"
            self._progress.update(self._task, completed=done, state=state)

    def epoch(
        self, number: int, loss: float, metric: float | None, seconds: float, pace: float, *, is_best: bool
    ) -> None:
        """Print the line of a finished epoch, whose training took `seconds`, and `pace` with its validation, if any."""
        rate = rate_in_words(self.rows / max(seconds, 1e-9))
        left = f"  at most {clock((self.epochs - number) * pace)} left" if number < self.epochs else ""
        valid = "" if metric is None else f"  valid {self.metric} {metric:.4f}{' *' if is_best else '  '}"
        print_line(self.console, f"  epoch {number:>3}/{self.epochs}  loss {loss:.4f}{valid}  {rate}{left}")


def rate_in_words(rows: float) -> str:
    """Return a rate per second, in thousands from 1,000 on: one of small batches is not 0k."""
    return f"{rows / 1000:,.0f}k rows/s" if rows >= 1000 else f"{rows:.0f} rows/s"
