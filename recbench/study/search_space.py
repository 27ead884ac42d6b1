"""What a sweep searches: settings, the values to try, and the points drawn from them."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from recbench.errors import UsageError, require_known, unknown
from recbench.losses.balance import BALANCES
from recbench.losses.balance import base as balances
from recbench.losses.base import LOSSES, can_be_balanced
from recbench.samplers import base as samplers
from recbench.samplers.base import SAMPLERS
from recbench.settings import Value, prefixed
from recbench.training.plan import defaults

Point = dict[str, str]  # setting → word, as in {"loss.scale": "2", "train.lr": "0.05"}
Row = tuple[str, ...]  # a word per dimension

FIXED = ("train.select", "train.refit")  # trials are compared by the first; the second comes after


@dataclass(frozen=True)
class Dimension:
    """One setting and the words to try: listed values, or the two ends of a range of numbers."""

    setting: str
    words: tuple[str, ...]
    number: type[int] | type[float] | None = None  # what a range holds; None for a list
    loss: str | None = None  # the one loss it is searched for, unless for all

    def draw(self, generator: random.Random) -> str:
        """Return a word at random: even over listed values and whole numbers, log-uniform over positive numbers."""
        if self.number is None:
            return generator.choice(self.words)
        low, high = self.ends
        if self.number is int:
            return str(generator.randint(int(low), int(high)))
        if low > 0:
            return _word(math.exp(generator.uniform(math.log(low), math.log(high))))
        return _word(generator.uniform(low, high))

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest number of a range."""
        return float(self.words[0]), float(self.words[1])

    def __str__(self) -> str:
        joined = "|".join(self.words) if self.number is None else "..".join(self.words)
        return f"{self.loss}:{self.setting}={joined}" if self.loss else f"{self.setting}={joined}"


def parse(words: Sequence[str], losses: Sequence[str], backbone: str, given: Sequence[str] = ()) -> list[Dimension]:
    """Read the words of `--grid`: "[LOSS:]KEY=A,B,C", "KEY=LOW..HIGH", or "KEY=A|B" for values that hold commas.

    A key without an owner is one of training ("lr" is "train.lr"). `given` are the words of `--set` for all trials; a
    sampler that they do not name may be any, for its name may be searched too. Raises UsageError for a word that is
    none of these, for a setting that is given, and for one that a loss does not have unless the word names the losses
    that do.
    """
    if not words:
        raise UsageError("--grid: nothing to search; give a setting and its values, as in --grid lr=0.005,0.05")
    common = dict(word.split("=", 1) for word in given)
    sampler = common.get("sampler.name")
    of_samplers: dict[str, Value] = {}
    for name in SAMPLERS.names() if sampler is None else [sampler]:
        of_samplers |= prefixed("sampler", samplers.defaults(name))
    known = {loss: defaults(loss, backbone) | of_samplers | _of_strategies(loss) for loss in losses}
    dimensions: list[Dimension] = []
    for word in words:
        new = _dimension(word, known, backbone)
        if new.setting in common:
            raise UsageError(f"{new.setting} is given by --set and by --grid {new}; leave one out")
        for other in dimensions:
            if new.setting == other.setting and (None in (new.loss, other.loss) or new.loss == other.loss):
                raise UsageError(f"--grid {word}: {new.setting} is searched already, by --grid {other}; leave one out")
        dimensions.append(new)
    return dimensions


def _of_strategies(loss: str) -> dict[str, Value]:
    """Return the settings of all strategies that can balance a loss."""
    names = BALANCES.names() if can_be_balanced(LOSSES.get(loss)) else []
    return {key: value for name in names for key, value in prefixed("loss", balances.defaults(name)).items()}


def point(dimensions: Sequence[Dimension], row: Row, loss: str) -> Point:
    """Return what a row means for one loss."""
    named = zip(dimensions, row, strict=True)
    return {dimension.setting: word for dimension, word in named if dimension.loss in (None, loss)}


def grid(dimensions: Sequence[Dimension]) -> list[Row]:
    """Return all combinations; raises UsageError for a range."""
    for dimension in dimensions:
        if dimension.number is not None:
            ways = "--search random or optuna, or --trials beside --fair"
            raise UsageError(f"--grid {dimension}: a range needs {ways}; else list its values")
    return list(product(*(dimension.words for dimension in dimensions)))


def draw(dimensions: Sequence[Dimension], count: int, seed: int) -> list[Row]:
    """Return `count` different rows at random, the same for the same seed; fewer where there are no more."""
    generator = random.Random(seed)
    rows: dict[Row, None] = {}
    for _ in range(100 * count):
        rows[tuple(dimension.draw(generator) for dimension in dimensions)] = None
        if len(rows) == count:
            break
    return list(rows)


def draw_alike(dimensions: Sequence[Dimension], count: int, seed: int) -> list[Row]:
    """Return `count` rows at random in which a setting goes through the same numbers whatever else is searched.

    So methods with different settings are tried at the same points of those that they have in common; of two ranges of
    a setting, at the same places between their ends.
    """
    columns = []
    for dimension in dimensions:
        generator = random.Random(f"{seed} {dimension.setting}")
        columns.append([dimension.draw(generator) for _ in range(count)])
    return list(zip(*columns, strict=True))


def corners(dimensions: Sequence[Dimension]) -> list[Row]:
    """Return a few rows that hold every listed value and both ends of every range."""
    longest = max(len(dimension.words) for dimension in dimensions)
    return [
        tuple(dimension.words[min(i, len(dimension.words) - 1)] for dimension in dimensions) for i in range(longest)
    ]


class Estimator:
    """Proposes the rows of one loss after what it was told (tree-structured Parzen estimator, Bergstra et al. 2011).

    Raises UsageError if Optuna is not installed.
    """

    def __init__(self, dimensions: Sequence[Dimension], loss: str, seed: int) -> None:
        try:
            import optuna
        except ImportError:
            raise UsageError(
                "--search optuna: optuna is not installed; run `pip install 'recbench[sweep]'`, or use --search random"
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=seed)
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        self.dimensions = [dimension for dimension in dimensions if dimension.loss in (None, loss)]
        self.space = {dimension.setting: _distribution(dimension) for dimension in self.dimensions}
        self.trial: optuna.Trial | None = None

    def ask(self) -> Point:
        """Return the next point to try."""
        self.trial = self.study.ask(self.space)
        return {
            setting: _word(value) if isinstance(value, float) else str(value)
            for setting, value in self.trial.params.items()
        }

    def tell(self, value: float | None) -> None:
        """Take the validation metric of the last point; None for one that failed, which counts as the worst."""
        if self.trial is not None:
            self.study.tell(self.trial, -math.inf if value is None else value)


def _distribution(dimension: Dimension) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.number is None:
        return CategoricalDistribution(dimension.words)
    low, high = dimension.ends
    if dimension.number is int:
        return IntDistribution(int(low), int(high))
    return FloatDistribution(low, high, log=low > 0)


def _dimension(word: str, known: Mapping[str, Mapping[str, Value]], backbone: str) -> Dimension:
    match = re.fullmatch(r"(?:(?P<loss>[^:=.]+):)?(?P<key>[\w.-]+)=(?P<values>.+)", word)
    if match is None:
        raise UsageError(f"--grid {word}: expected [LOSS:]KEY=A,B,C or KEY=LOW..HIGH, as in loss.scale=1,2,4")
    loss, key, values = match["loss"], match["key"], match["values"]
    require_known("loss of --losses", [loss], known)
    setting = key if "." in key else f"train.{key.replace('-', '_')}"
    if setting in FIXED:
        raise UsageError(f"--grid {word}: {setting} cannot be searched; give it with --set for all trials")
    kinds = {type(value) for value in _values(word, setting, known if loss is None else [loss], known, backbone)}
    if is_range(word):
        return _range(word, setting, values.split(".."), kinds, loss)
    listed = tuple(dict.fromkeys(value.strip() for value in values.split("|" if "|" in values else ",")))
    if not all(listed):
        raise UsageError(f"--grid {word}: a value is missing; expected values joined by commas, as in 1,2,4")
    return Dimension(setting, listed, None, loss)


def is_range(word: str) -> bool:
    """Return whether a word of `--grid` gives the two ends of a range."""
    ends = word.partition("=")[2].split("..")
    return len(ends) == 2 and all(ends)


def _range(word: str, setting: str, ends: list[str], kinds: Collection[type], loss: str | None) -> Dimension:
    if bool in kinds:
        raise UsageError(f"--grid {word}: {setting} is true or false; list its values, as in {setting}=true,false")
    number = int if int in kinds else float
    expected = "whole numbers" if number is int else "numbers"
    try:
        low, high = (number(end) for end in ends)
    except ValueError:
        raise UsageError(f"--grid {word}: expected {expected} on both sides of `..`, the smaller first") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"--grid {word}: expected {expected} on both sides of `..`, the smaller first")
    return Dimension(setting, (ends[0].strip(), ends[1].strip()), number, loss)


def _values(
    word: str, setting: str, concerned: Collection[str], known: Mapping[str, Mapping[str, Value]], backbone: str
) -> list[Value]:
    """Return the setting's default for each loss concerned; raises UsageError where one does not have it."""
    for loss in concerned:
        if setting in known[loss]:
            continue
        others = [other for other in known if setting in known[other]]
        if others:
            raise UsageError(
                f"--grid {word}: loss `{loss}` has no {setting}; search it for the losses that have it, "
                f"as in --grid {others[0]}:{word}"
            )
        raise unknown(f"setting of {loss} × {backbone}", setting, known[loss])
    return [known[loss][setting] for loss in concerned]


def _word(number: float) -> str:
    return f"{number:.4g}"
