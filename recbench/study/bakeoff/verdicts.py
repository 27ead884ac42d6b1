"""What a bakeoff found: the best method per question and feedback, how sure that is, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from recbench.evaluation.statistics import Difference, Sample, compare, first_with_others, interval
from recbench.results.marks import RESAMPLES, RESAMPLES_EACH, Contributions, paired_samples
from recbench.results.record import RunRecord
from recbench.results.store import Store
from recbench.results.user_contributions import read_contributions
from recbench.settings import Value
from recbench.study.bakeoff.bake import Bakeoff, Entrants
from recbench.study.bakeoff.contestants import Question
from recbench.study.compare import is_deterministic

FEWEST_USERS = 2  # that an interval needs


@dataclass(frozen=True)
class Entry:
    """A method under one metric of one feedback."""

    method: str  # "bpr × twintower"
    baseline: bool
    run: str  # digest of its first seed
    runs: tuple[str, ...]
    value: float  # mean over seeds
    low: float  # 95 % interval over users and seeds, over users alone for one seed
    high: float
    seconds: float  # of training one run
    still_rising: bool = False  # whether a run ended at its best epoch, the last it was given
    rate: Value | None = None  # the learning rate that was best on validation; None of a baseline


@dataclass(frozen=True)
class Verdict:
    """One question about one kind of feedback."""

    question: Question
    metric: str
    feedback: str
    users: int
    entries: tuple[Entry, ...]  # the best first
    differences: tuple[Difference, ...]  # of the best and every other one, corrected for their number

    @property
    def best(self) -> Entry:
        """The entry of the highest value on the test rows."""
        return self.entries[0]

    @property
    def alike(self) -> tuple[Entry, ...]:
        """Entries that the test does not tell from the best, that one not counted."""
        names = {difference.second for difference in self.differences if not difference.real}
        return tuple(entry for entry in self.entries[1:] if entry.method in names)

    @property
    def best_trained(self) -> Entry | None:
        """The best of the trained methods."""
        return next((entry for entry in self.entries if not entry.baseline), None)

    @property
    def best_baseline(self) -> Entry | None:
        """The best of the baselines."""
        return next((entry for entry in self.entries if entry.baseline), None)

    def behind(self, entry: Entry) -> Difference | None:
        """Return what is known of the best less this entry; None of the best itself."""
        return next((difference for difference in self.differences if difference.second == entry.method), None)


def verdicts(bakeoff: Bakeoff, entrants: Entrants, store: Store) -> list[Verdict]:
    """Return a verdict per question and feedback that the test rows can answer, from what `eval` kept of each user."""
    found = []
    for question, methods in entrants.items():
        metric = bakeoff.select(question)
        contributions = {
            run.key.digest: read_contributions(store.folder(run.key), store.warnings)
            for runs in methods.values()
            for run in runs
        }
        for feedback in bakeoff.data.feedback:
            verdict = _verdict(question, metric, feedback, methods, contributions)
            if verdict is not None:
                found.append(verdict)
    return found


def _verdict(
    question: Question,
    metric: str,
    feedback: str,
    methods: Mapping[str, Sequence[RunRecord]],
    contributions: Mapping[str, Contributions],
) -> Verdict | None:
    keys = [key for of_run in contributions.values() for key in of_run if key[:2] == (metric, feedback)]
    if not keys:
        return None
    key = max(dict.fromkeys(keys), key=keys.count)
    measured = {
        name: runs for name, runs in methods.items() if all(key in contributions[run.key.digest] for run in runs)
    }
    seeds = {name: {run.key.digest: run.key.seed for run in runs} for name, runs in measured.items()}
    deterministic = {name for name, runs in measured.items() if is_deterministic(runs[0].key)}
    samples = sorted(paired_samples(key, seeds, contributions, deterministic), key=lambda sample: -sample.value)
    users = samples[0].numerator.shape[1]
    if users < FEWEST_USERS or not samples[0].value > 0:
        return None
    return Verdict(
        question=question,
        metric=metric,
        feedback=feedback,
        users=users,
        entries=tuple(_entry(sample, measured[sample.name]) for sample in samples),
        differences=_differences(samples),
    )


def _differences(samples: Sequence[Sample]) -> tuple[Difference, ...]:
    """Return what is known of the first less each other; Holm's correction asks for more draws where there are more."""
    if len(samples) < 2:
        return ()
    resamples = max(RESAMPLES, RESAMPLES_EACH * len(samples))
    return tuple(compare(samples, resamples=resamples, pairs=first_with_others(len(samples))))


def _entry(sample: Sample, runs: Sequence[RunRecord]) -> Entry:
    low, high = interval(sample, resamples=RESAMPLES)
    return Entry(
        method=sample.name,
        baseline=runs[0].key.is_baseline,
        run=runs[0].key.digest,
        runs=tuple(run.key.digest for run in runs),
        value=sample.value,
        low=low,
        high=high,
        seconds=fmean(run.seconds for run in runs),
        still_rising=any(run.still_rising for run in runs),
        rate=runs[0].key.settings.get("train.lr"),
    )
