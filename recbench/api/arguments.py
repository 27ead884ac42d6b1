"""What arguments of functions mean to the commands."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from recbench.api.prepared import PreparedData, prepared
from recbench.api.public import in_python
from recbench.errors import UsageError
from recbench.home import results_home
from recbench.results.store import Store
from recbench.run.how_to_train import python_call
from recbench.run.train_command import TrainRequest
from recbench.settings import LIMITS, Value, typed
from recbench.terminal import TerminalConsole


def data_name(data: PreparedData | str | None) -> str | None:
    """Return DATASET/SPLIT, None for what was prepared last."""
    return data.name if isinstance(data, PreparedData) else data


def own_store() -> Store:
    """Return the store of results of this user."""
    return Store(results_home())


class NotesConsole(TerminalConsole):
    """A console of progress and notes, which names options as the arguments that they are."""

    def print(self, *objects: Any, **layout: Any) -> None:
        """Print objects, of which text is put into the words of Python."""
        super().print(*(in_python(one) if isinstance(one, str) else one for one in objects), **layout)


def console_of(quiet: bool) -> TerminalConsole:
    """Return the console of progress and notes."""
    warnings.filterwarnings("ignore", 'install "ipywidgets"', UserWarning)  # rich's; a notebook goes without its bar
    return NotesConsole(stderr=True, quiet=quiet)


def names_of(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return one name or several."""
    return (given,) if isinstance(given, str) else tuple(given)


def seed_numbers(seeds: int | Sequence[int]) -> tuple[int, ...]:
    """Return the seeds from 0 on, so many, or those given; raises UsageError for too many, equal or too large ones."""
    chosen = tuple(map(int, seeds)) if isinstance(seeds, Collection) else tuple(range(seeds))
    most, largest = LIMITS["--seeds"][1], LIMITS["--seed"][1]
    different = len(set(chosen)) == len(chosen)
    if not (different and 1 <= len(chosen) <= most and min(chosen) >= 0 and max(chosen) <= largest):
        raise UsageError(f"seeds={str(seeds)[:40]}: expected 1 to {most:,} different seeds from 0 to {largest:,}")
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


def options(**values: object) -> list[str]:
    """Return the words of a command's options; what is None, False or empty, or `auto`, is left out."""
    words: list[str] = []
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        for one in value if isinstance(value, list | tuple) else [value]:
            if one not in (None, False, "", "auto"):
                words += [option] if one is True else [option, str(one)]
    return words


def grid_words(grid: Mapping[str, Value | Sequence[Value]] | None) -> tuple[str, ...]:
    """Return what to search as the words of `--grid`."""
    return tuple(f"{name}={_listed(values)}" for name, values in (grid or {}).items())


def _listed(values: Value | Sequence[Value]) -> str:
    """Return a range, a value, or values, which may hold commas, as `--grid` takes them."""
    if isinstance(values, str) or not isinstance(values, Collection):
        return typed(values)
    return "|".join(typed(value) for value in values)


def recorded_command(
    verb: str,
    common: TrainRequest,
    settings: Mapping[str, Value],
    grid: Mapping[str, Value | Sequence[Value]] | None,
    lists: Mapping[str, Sequence[str | None]],
    **named: object,
) -> str:
    """Return the command that trains the same, or where it lacks the user's classes, the call.

    `lists` and `named` are options, the names of `lists` joined by commas; None is no name. What was prepared last is
    named, unless a preset has its own dataset.
    """
    dataset = common.dataset if common.preset or common.dataset else prepared().name
    lists, named = {**lists, "feedback": common.feedback}, {"preset": common.preset, **named}
    if common.classes:
        found = {**lists, "grid": dict(grid or {}), **named, "settings": settings, "seeds": common.seeds}
        return python_call(verb, dataset, common.classes, **found)
    joined = {name: ",".join(filter(None, names)) for name, names in lists.items()}
    named |= {"dataset": dataset, "set": common.settings, "grid": grid_words(grid), "import": common.imports}
    return command_of_seeds(["recbench", verb, *options(**joined, **named)], common.seeds)


def command_of_seeds(words: Sequence[str], seeds: Sequence[int]) -> str:
    """Return a command with these seeds; one command per seed where they are not consecutive."""
    first, count = seeds[0], len(seeds)
    if tuple(seeds) == tuple(range(first, first + count)):
        return shlex.join([*words, "--seed", str(first), "--seeds", str(count)])
    return " && ".join(shlex.join([*words, "--seed", str(seed)]) for seed in seeds)
