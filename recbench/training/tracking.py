"""The trackers of a run: one that fails is left out, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from recbench.results.record import Epoch, RunRecord
from recbench.terminal import print_text
from recbench.trackers.base import Track, TrackedRun, Tracker, tracker_class


class Tracking:
    """Tells these trackers what a run reaches; none is made before `start`."""

    def __init__(self, words: Sequence[Track]) -> None:
        self.words = words
        self.trackers: list[tuple[Track, Tracker]] = []

    def start(self, run: TrackedRun, done: Iterable[Epoch]) -> None:
        """Make the trackers, and show the epochs done before."""
        for word in self.words:
            try:
                make = tracker_class(word) if isinstance(word, str) else word
                self.trackers.append((word, make(run)))
            except Exception as error:
                _warn(word, error)
        for epoch in done:
            self.epoch(epoch)

    def epoch(self, epoch: Epoch) -> None:
        """Show a validated epoch."""
        self._tell(lambda tracker: tracker.epoch(epoch))

    def finish(self, record: RunRecord) -> None:
        """Show what the run came to."""
        self._tell(lambda tracker: tracker.finish(record))

    def close(self) -> None:
        """Let all trackers go."""
        self._tell(lambda tracker: tracker.close())
        self.trackers = []

    def _tell(self, say: Callable[[Tracker], None]) -> None:
        for word, tracker in list(self.trackers):
            try:
                say(tracker)
            except Exception as error:  # of a service or a user's own code: whatever it is, the run is worth more
                _warn(word, error)
                self.trackers.remove((word, tracker))


def _warn(word: Track, error: Exception) -> None:
    said = (" ".join(str(error).split()) or "no reason given")[:200]
    print_text(
        f"warning: --track {word} failed ({type(error).__name__}: {said}); training goes on without it", stderr=True
    )
