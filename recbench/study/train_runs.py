"""Several runs on one dataset, several at a time, with a line for each as it finishes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property

from rich.console import Console

from recbench.data.dataset import Dataset
from recbench.errors import TrainingError
from recbench.results.record import RunKey, RunRecord
from recbench.results.store import Store
from recbench.run.train_command import words_of_failed
from recbench.study.launchers.base import Finished, Launcher, Work, launch
from recbench.study.runs_display import RunsDisplay
from recbench.training.train import is_complete

# given how runs ended, by digest, and those that are still to train: which of these are to be trained after all
Wanted = Callable[[Mapping[str, Finished], Sequence[RunKey]], Sequence[RunKey]]


class RunTrainer(ExitStack):
    """Trains runs on one dataset, time and again. Use as a context manager.

    The launcher is opened once, when the first run has no record.
    """

    def __init__(self, data: Dataset, work: Work, console: Console) -> None:
        super().__init__()
        self.data, self.work, self.console = data, work, console
        self.store = Store(work.results)
        self.told: set[str] = set()  # notes of runs, each of which is printed once

    @cached_property
    def launcher(self) -> Launcher:
        """What trains them."""
        return self.enter_context(launch(self.work, self.data, self.console))

    def __call__(
        self, keys: Sequence[RunKey], title: str, at_once: int = 1, wanted: Wanted | None = None
    ) -> dict[str, Finished]:
        """Train what has no record yet, under the title of a progress bar, and return how each ended, by digest.

        One that fails does not stop the others. With `wanted`, that is asked after every `at_once` of them.
        """
        store = self.store
        if all(is_complete(key, store) for key in keys):
            return {key.digest: store.record(key) for key in keys}
        launcher = self.launcher
        with RunsDisplay(self.console, len({key.digest for key in keys}), title, self.told) as display:
            if wanted is None:
                return run_missing(keys, {}, store, launcher, display)
            runs = run_missing([key for key in keys if is_complete(key, store)], {}, store, launcher, display)
            keys = [key for key in keys if key.digest not in runs]
            while keys:
                runs |= run_missing(keys[:at_once], {}, store, launcher, display)
                left = wanted(runs, keys[at_once:])
                display.expect(len(keys[at_once:]) - len(left))
                keys = left
            return runs


def run_missing(
    keys: Iterable[RunKey],
    words: Mapping[str, Sequence[str]],
    store: Store,
    launcher: Launcher,
    display: RunsDisplay,
) -> dict[str, Finished]:
    """Train what has no record yet, each run once, and return how each ended, by digest.

    `words` are those shown beside a run, by digest: the settings that a sweep searches.
    """
    named = {key.digest: key for key in keys}
    runs: dict[str, Finished] = {digest: store.record(key) for digest, key in named.items() if is_complete(key, store)}
    display.already_trained(runs.values())
    for finished in launcher([key for digest, key in named.items() if digest not in runs]):
        runs[finished.key.digest] = finished
        display.finished(finished, words.get(finished.key.digest, ()))
    return runs


def train_runs(keys: Sequence[RunKey], data: Dataset, work: Work, console: Console, title: str) -> list[RunRecord]:
    """Train what has no record yet and return the records in the order of the keys.

    Raises TrainingError, after all others have finished, if a run failed.
    """
    with RunTrainer(data, work, console) as train:
        runs = train(keys, title)
    failed = [f"{run.key.title}: {run.reason}" for run in runs.values() if not isinstance(run, RunRecord)]
    if failed:
        raise TrainingError(words_of_failed(failed, len(runs)))
    finished = [runs[key.digest] for key in keys]
    return [run for run in finished if isinstance(run, RunRecord)]
