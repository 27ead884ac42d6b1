"""What arguments of functions mean to the commands."""

from __future__ import annotations

import operator
import shlex
from collections.abc import Mapping, Sequence

from recbench.api.prepared import PreparedData
from recbench.errors import UsageError
from recbench.home import results_home
from recbench.results.store import Store
from recbench.settings import Value
from recbench.terminal import TerminalConsole


def data_name(data: PreparedData | str | None) -> str | None:
    """Return DATASET/SPLIT, None for what was prepared last."""
    return data.name if isinstance(data, PreparedData) else data


def own_store() -> Store:
    """Return the store of results of this user."""
    return Store(results_home())


def console_of(quiet: bool) -> TerminalConsole:
    """Return the console of progress and notes."""
    return TerminalConsole(stderr=True, quiet=quiet)


def names_of(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return one name or several."""
    return (given,) if isinstance(given, str) else tuple(given)


def seed_numbers(seeds: int | Sequence[int]) -> tuple[int, ...]:
    """Return distinct seeds of 0 or more; raises UsageError for anything else."""
    try:
        chosen = tuple(range(seeds)) if isinstance(seeds, int) else tuple(map(operator.index, seeds))
    except TypeError:
        raise UsageError(f"seeds={seeds!r}: expected how many, or a list of whole numbers") from None
    if not chosen or min(chosen) < 0 or len(set(chosen)) < len(chosen):
        raise UsageError(f"seeds={seeds!r}: expected at least one, distinct and none below 0")
    return chosen


def chosen_settings(
    settings: Mapping[str, Value] | None, sampler: str | None, **training: Value | None
) -> dict[str, Value]:
    """Return the settings with the sampler and those of training that arguments give, None meaning not given.

    Raises UsageError for one of training that both give.
    """
    chosen = dict(settings or {})
    own = {f"train.{name}": value for name, value in training.items() if value is not None}
    if twice := own.keys() & chosen.keys():
        name = min(twice)
        raise UsageError(f"settings: {name} is given as {name.removeprefix('train.')} too; leave one out")
    return {**chosen, **own, **({} if sampler is None else {"sampler.name": sampler})}


def command_of_seeds(words: Sequence[str], seeds: Sequence[int]) -> str:
    """Return a command with these seeds; one command per seed where they are not consecutive."""
    first, count = seeds[0], len(seeds)
    if tuple(seeds) == tuple(range(first, first + count)):
        return shlex.join([*words, "--seed", str(first), "--seeds", str(count)])
    return " && ".join(shlex.join([*words, "--seed", str(seed)]) for seed in seeds)
