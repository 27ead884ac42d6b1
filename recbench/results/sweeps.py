"""What sweeps found: one JSON file each under `sweeps/`, named by what the sweep set out to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from recbench.errors import DataError, UsageError
from recbench.results.files import DamagedFileError, load, save
from recbench.results.record import SCHEMA
from recbench.results.store import Store


@dataclass(frozen=True)
class Trial:
    """One point of one loss: its runs, one per seed, and what they reached on validation."""

    loss: str
    words: list[str]  # what was searched: ["loss.scale=2", "train.lr=0.05"]
    runs: list[str]  # digests
    select: str  # validation metric, of which higher is better; empty if a run failed
    valid: float | None  # its mean over seeds; None if a run failed, which counts as the worst
    sd: float | None  # over seeds; None for one seed
    seconds: float  # of training, all seeds together
    failed: str = ""  # why

    @property
    def point(self) -> dict[str, str]:
        """What was searched, by setting: {"loss.scale": "2", "train.lr": "0.05"}."""
        return dict(word.split("=", 1) for word in self.words)


@dataclass(frozen=True)
class Sweep:
    """The same search for several losses."""

    title: str  # "twintower on ml-1m/user"
    groups: dict[str, str]  # loss → `RunKey.group` of what is not searched
    grid: list[str]  # the space, as words of `--grid`
    search: str
    count: int  # points asked for
    seeds: list[int]
    trials: list[Trial]  # the best of each loss first
    best: dict[str, list[str]]  # loss → all settings that differ from their defaults, as words of `--set`
    commands: dict[str, str]  # loss → the `train` command of its best point, or the call where no command has its class
    command: str
    finished: str  # ISO 8601, UTC
    schema: int = SCHEMA

    @cached_property
    def digest(self) -> str:
        """The sweep's name: 12 hex digits of what it set out to do."""
        aim = [self.groups, self.grid, self.search, self.count, self.seeds]
        return sha256(json.dumps(aim, sort_keys=True).encode()).hexdigest()[:12]


def best_trials(ranked: Sequence[Trial]) -> dict[str, Trial]:
    """Return the best trial of each loss, of trials as `Sweep.trials` has them; none of a loss of which all failed."""
    return {trial.loss: trial for trial in reversed(ranked) if trial.valid is not None}


def write(store: Store, sweep: Sweep) -> Path:
    """Write a sweep, in place of an earlier one of the same aim; raises DataError if it cannot be written."""
    path = store.root / "sweeps" / f"{sweep.digest}.json"
    save(path, sweep)
    return path


def find(store: Store, prefix: str) -> Sweep:
    """Read the sweep whose digest starts with `prefix`; raises UsageError unless one does, DataError if damaged."""
    paths = sorted((store.root / "sweeps").glob("*.json"))
    matches = [path for path in paths if prefix and path.stem.startswith(prefix.lower())]
    if len(matches) != 1:
        known = ", ".join(path.stem for path in matches or paths) or "none; run `recbench sweep`"
        raise UsageError(f"{len(matches)} sweeps start with `{prefix}`, not one; there are {known}")
    sweep = load(matches[0], Sweep, "run the sweep again")
    if sweep.digest != matches[0].stem:
        raise DamagedFileError(f"{matches[0]}: damaged (its content is not what its name says); run the sweep again")
    return sweep


def passed_over(store: Store) -> frozenset[str]:
    """Return the digests of runs that were trials of sweeps and not the best of their loss in any of them."""
    passed: set[str] = set()
    kept: set[str] = set()
    for path in (store.root / "sweeps").glob("*.json"):
        with suppress(DataError):  # of a damaged file, which nothing here needs
            trials = load(path, Sweep, "run the sweep again").trials
            passed.update(digest for trial in trials for digest in trial.runs)
            kept.update(digest for trial in best_trials(trials).values() for digest in trial.runs)
    return frozenset(passed - kept)
