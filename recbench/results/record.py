"""What is kept of a run: its key, its record and its evaluations."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, TypedDict

from msgspec import Meta

from recbench.errors import UsageError
from recbench.registry import BASELINE
from recbench.results.json_structs import OPTIONAL, encode
from recbench.settings import Value, typed_words

SCHEMA = 1
SCHEMA_OF_LANES = 2  # of records that say `trained_together`; the newest that is read
CHOSEN_SAMPLER = "sampler.name"  # in the settings of a run that does not train on the loss's own slates
LONGEST_NAME = 120  # of a dataset, split, loss or backbone, which are parts of folder names

Seed = Annotated[int, Meta(ge=-(2**62), le=2**62)]
Count = Annotated[int, Meta(ge=0, le=2**62)]
Ordinal = Annotated[int, Meta(ge=1, le=2**62)]
Amount = Annotated[float, Meta(ge=0, le=1e15)]
Number = Annotated[float, Meta(ge=-1e100, le=1e100)]  # sums and squares of such numbers are finite
Names = Annotated[tuple[str, ...], Meta(min_length=1)]


@dataclass(frozen=True)
class RunKey:
    """Everything that decides the numbers of a run: equal keys, equal numbers.

    Raises UsageError for a name that cannot be a folder name and for a setting that is not finite.
    """

    dataset: str
    split: str
    fingerprint: str  # of the prepared data
    feedback: Names  # types trained on, from dense to sparse
    loss: str
    backbone: str
    seed: Seed
    device: str  # "cpu" or "cuda"
    settings: Mapping[str, Value]  # all of them, defaults included: {"loss.scale": 2.0, "train.lr": 0.01}
    sources: Mapping[str, str] = field(default_factory=dict)  # file of --import → hex digits of its SHA-256

    def __post_init__(self) -> None:
        for kind in ("dataset", "split", "loss", "backbone"):
            _check_name(kind, getattr(self, kind))
        for name, value in self.settings.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"{name}={value}: expected a finite number")

    @property
    def is_baseline(self) -> bool:
        """Whether a baseline was fitted, instead of a backbone trained with a loss; `loss` then names the baseline."""
        return self.backbone == BASELINE

    @property
    def method(self) -> str:
        """What a person calls the method: "gnolr × twintower", or "item-knn (baseline)"."""
        return method_name(self.loss, self.backbone)

    @property
    def title(self) -> str:
        """What a person calls the run."""
        return f"{self.method} on {self.data}, seed {self.seed}"

    @property
    def data(self) -> str:
        """DATASET/SPLIT, as options take it."""
        return f"{self.dataset}/{self.split}"

    @property
    def place(self) -> tuple[str, str, str]:
        """Dataset, split and fingerprint: numbers of runs compare where these are equal."""
        return self.dataset, self.split, self.fingerprint

    def is_on(self, data: str | None) -> bool:
        """Whether the run is on DATASET or DATASET/SPLIT; None is any."""
        return data in (None, self.dataset, self.data)

    def is_method(self, word: str) -> bool:
        """Whether LOSS or LOSS/BACKBONE names the run."""
        return word in (self.loss, f"{self.loss}/{self.backbone}")

    @cached_property
    def digest(self) -> str:
        """The run's name: 12 hex digits."""
        return _digest(encode(self))

    @cached_property
    def group(self) -> str:
        """12 hex digits that runs differing only in their seed have in common."""
        fields = encode(self)
        del fields["seed"]
        return _digest(fields)


class Epoch(TypedDict):
    """One row of a training curve."""

    epoch: Ordinal
    loss: Number  # mean training loss of this epoch
    metric: Number  # the selection metric on the validation rows
    seconds: Amount  # since training began
    slots: Count  # item slots seen since training began


@dataclass(frozen=True)
class RunRecord:
    """What training one key gave, and with what it was done."""

    key: RunKey
    curve: list[Epoch]  # of the epochs that were validated, the last one always
    select: str  # name of the metric that chose the epoch
    best_epoch: Ordinal
    valid: Number  # that metric on the validation rows, at the best epoch
    seconds: Amount
    slots: Count  # item slots seen
    rows_per_second: Amount
    peak_memory_mib: Amount
    parameters: Count
    device_name: str
    command: str
    non_default: Mapping[str, Value]  # the settings that differ from their defaults
    finished: str  # ISO 8601, UTC
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str | None = None  # of the recbench checkout, None if installed from a package
    dirty: bool | None = None  # whether that checkout had uncommitted changes
    imports: list[str] = field(default_factory=list)  # files of --import, as typed
    notes: list[str] = field(default_factory=list)
    schema: int = SCHEMA
    trained_together: Ordinal = field(default=1, metadata=OPTIONAL)  # runs side by side, whose time each has a share of

    def __post_init__(self) -> None:
        _check_time("finished", self.finished)
        epochs = [epoch["epoch"] for epoch in self.curve]
        if not epochs or epochs != sorted(set(epochs)):
            raise ValueError("curve: expected ascending epochs, at least one")
        if self.best_epoch > epochs[-1]:
            raise ValueError(f"best_epoch: {self.best_epoch} is after the last of {epochs[-1]} epochs")

    def __repr__(self) -> str:
        return (
            f"{self.key.digest}  {self.key.title}  valid {self.selected_by} {self.valid:.4f} "
            f"at epoch {self.best_epoch} of {self.epochs}  {self.seconds:.1f} s"
        )

    @property
    def selected_by(self) -> str:
        """The selection metric in words: the mean over feedback types where there are several."""
        return of_all(self.select, self.key.feedback)

    @property
    def epochs(self) -> int:
        """Epochs trained to find the best one."""
        return self.curve[-1]["epoch"]

    @property
    def still_rising(self) -> bool:
        """Whether training ended at its best epoch, the last that it was given: with more it may have reached more."""
        return self.best_epoch == self.epochs and not self.key.is_baseline


@dataclass(frozen=True)
class MetricValue:
    """One number on the test rows."""

    metric: str  # "recall@50"
    feedback: str
    value: Number | None  # None where the metric is undefined, as an AUC of one class
    signature: str  # pins the metric's definition; numbers of different signatures do not compare
    counted: Count  # users or rows that the value is the mean of


@dataclass(frozen=True)
class Evaluation:
    """What one `eval` of one run gave."""

    run: str  # digest of the run's key
    values: list[MetricValue]
    when: str  # ISO 8601, UTC
    seconds: Amount
    options: Mapping[str, Value] = field(default_factory=dict)  # candidates, index
    bound: list[MetricValue] = field(default_factory=list)  # of the true probabilities (synthetic data only)
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        _check_time("when", self.when)

    @cached_property
    def digest(self) -> str:
        """12 hex digits of everything but the time it was made at and took."""
        content = encode(self)
        del content["when"], content["seconds"]
        return _digest(content)


@dataclass(frozen=True)
class Plan:
    """What one `train` command set out to do."""

    keys: list[RunKey]
    imports: list[str]  # files of --import, as typed
    command: str
    schema: int = SCHEMA

    @property
    def resume_command(self) -> str:
        """The command that finishes what was interrupted, with the user's own files that it needs."""
        return shlex.join(
            ["recbench", "train", "--resume", *(word for file in self.imports for word in ("--import", file))]
        )


@dataclass(frozen=True)
class Pack:
    """One run in one file: all that another machine needs to train it again and to compare."""

    record: RunRecord
    evaluations: list[Evaluation]
    sources: Mapping[str, str]  # file of --import → its text
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        for evaluation in self.evaluations:
            if evaluation.run != self.record.key.digest:
                raise ValueError(f"evaluations: one is of run {evaluation.run}, not of {self.record.key.digest}")


def short_name(setting: str) -> str:
    """Return a setting without its owner: "beta" of "sampler.beta"; "sampler" stands for the name of the sampler."""
    return "sampler" if setting == CHOSEN_SAMPLER else setting.rpartition(".")[2]


def settings_in_words(settings: Mapping[str, Value]) -> str:
    """Return settings as "logit=learned, lr=0.1", without their owners where the names are distinct without."""
    short = [short_name(name) for name in settings]
    names = short if len(set(short)) == len(short) else list(settings)
    return ", ".join(typed_words(dict(zip(names, settings.values(), strict=True))))


def named_sources(key: RunKey) -> dict[str, str]:
    """Return "source of focal.py" → its digest for each file of the user's own; an edited one has another digest."""
    return {f"source of {name}": digest for name, digest in sorted(key.sources.items())}


def now() -> str:
    """Return the time in the one format of records: ISO 8601, UTC, microseconds; later sorts higher."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def of_all(metric: str, feedback: Sequence[str]) -> str:
    """Return a metric in words: the mean over these kinds of feedback where there are several and it names none."""
    return f"mean {metric}" if len(feedback) > 1 and "/" not in metric else metric


def method_name(loss: str, backbone: str) -> str:
    """Return what a person calls a method: "gnolr × twintower", or "item-knn (baseline)"."""
    return f"{loss} (baseline)" if backbone == BASELINE else f"{loss} × {backbone}"


def _check_name(kind: str, name: str) -> None:
    if not name or name.startswith(".") or not name.isprintable() or set(name) & set("/\\"):
        raise UsageError(f"{kind} {name!r}: not a folder name; use printable characters, no / or \\, no dot in front")
    if len(name.encode()) > LONGEST_NAME:
        raise UsageError(f"{kind} {name[:20]}…: {len(name.encode())} bytes long, expected at most {LONGEST_NAME}")


def _check_time(field: str, word: str) -> None:
    try:
        known = datetime.fromisoformat(word).tzinfo is not None
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"{field}: expected a time with its zone, as in {now()}")


def _digest(content: object) -> str:
    text = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:12]


def _canonical(content: Any) -> Any:
    """Return JSON content with whole floats as integers, so that 2 and 2.0 are the same setting."""
    if isinstance(content, dict):
        return {name: _canonical(member) for name, member in content.items()}
    if isinstance(content, list):
        return [_canonical(member) for member in content]
    if isinstance(content, float) and content.is_integer() and abs(content) < 2**53:
        return int(content)
    return content
