"""What a tracker is: it gets what a run reaches, while it trains, and shows it somewhere else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from recbench.errors import UsageError
from recbench.registry import Registry, import_file, imported_source
from recbench.results.record import Epoch, RunKey, RunRecord


@dataclass(frozen=True)
class TrackedRun:
    """A run that is being trained."""

    key: RunKey  # its digest, dataset, loss, backbone, seed and settings
    select: str  # the metric on validation rows, as people read it: "mean auc"
    results: Path  # folder of the results

    @property
    def name(self) -> str:
        """What a person calls the run."""
        return f"{self.key.title} ({self.key.digest})"


class Tracker(ABC):
    """Shows one run: made when it begins or goes on, told of every validated epoch, and of the record.

    Whatever it raises costs the run nothing: a line says so, and training goes on without it.
    """

    name: ClassVar[str]  # set by the decorator
    package: ClassVar[str] = ""  # what has to be installed, "" if nothing

    @abstractmethod
    def __init__(self, run: TrackedRun) -> None:
        """Begin to show a run."""

    @abstractmethod
    def epoch(self, epoch: Epoch) -> None:
        """Show a validated epoch: those of before, too, where a run goes on."""

    @abstractmethod
    def finish(self, record: RunRecord) -> None:
        """Show what the run came to."""

    def close(self) -> None:  # noqa: B027 (most have nothing to let go of)
        """Let go of files and connections; called once, of a run that failed or was interrupted, too."""


TRACKERS: Registry[Tracker] = Registry("tracker", __package__)

Track = str | Callable[[TrackedRun], Tracker]  # the name of a tracker, the file of one, or what makes one


def final_numbers(record: RunRecord) -> dict[str, float]:
    """Return the numbers of a record that are no settings."""
    return {
        "valid": record.valid,
        "best_epoch": record.best_epoch,
        "seconds": record.seconds,
        "rows_per_second": record.rows_per_second,
        "peak_memory_mib": record.peak_memory_mib,
        "parameters": record.parameters,
    }


def tracker_class(word: str) -> type[Tracker]:
    """Return the tracker of a name, or that of a Python file of the user's, which is run.

    Raises UsageError if there is none, if the file does not define exactly one, or if its package is not installed.
    """
    if word.endswith(".py"):
        digest = import_file(Path(word), "--track")
        own = [name for name in TRACKERS.names() if imported_source(TRACKERS.get(name)) == digest]
        if len(own) != 1:
            raise UsageError(f"--track {word}: expected a file with one tracker, and it registers {len(own)}")
        word = own[0]
    found = TRACKERS.get(word)
    if found.package and find_spec(found.package) is None:
        raise UsageError(
            f"--track {word} needs {found.package}, which is not installed: pip install 'recbench[{word}]'"
        )
    return found


def require_trackers(words: Iterable[str]) -> None:
    """Raise UsageError unless there are trackers of all these names and files."""
    for word in words:
        tracker_class(word)
