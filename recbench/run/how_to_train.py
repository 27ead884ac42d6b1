"""The command that trains a method, as it is typed, or the call in Python where no command can."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from recbench.results.record import RunKey
from recbench.settings import Value, typed_words
from recbench.training.plan import non_default


def train_command(
    key: RunKey,
    settings: Mapping[str, Value],
    imports: Iterable[str | Path] = (),
    *,
    seed: int = 0,
    seeds: int = 1,
    device: str = "auto",
) -> str:
    """Return the command that trains the method of a run with these settings, and so many seeds from `seed` on.

    `imports` are the user's files. A method of which a class of the user's stands in no file is trained by a call.
    """
    if classes := classes_of_no_file(key):
        numbers = range(seed, seed + seeds)
        return python_call(
            "train",
            key.data,
            classes,
            loss=key.loss,
            backbone=key.backbone,
            feedback=key.feedback,
            settings=dict(settings),
            seeds=list(numbers) if seed else seeds,
            device=device,
        )
    words = ["recbench", "train", "--loss", key.loss, "--backbone", key.backbone, "--dataset", key.data]
    words += ["--feedback", ",".join(key.feedback)]
    words += [word for path in imports for word in ("--import", str(path))]
    words += [word for setting in typed_words(settings) for word in ("--set", setting)]
    words += [] if device == "auto" else ["--device", device]
    words += ["--seed", str(seed)] if seed else []
    return shlex.join([*words, "--seeds", str(seeds)] if seeds > 1 else words)


def train_again(keys: Sequence[RunKey], imports: Iterable[str] = ()) -> str:
    """Return the command that trains runs that differ in their seed alone, each with all settings that it has.

    `imports` are the user's files that they were trained with.
    """
    seeds = sorted(key.seed for key in keys)
    return train_command(keys[0], non_default(keys[0]), imports, seed=seeds[0], seeds=seeds[-1] - seeds[0] + 1)


def classes_of_no_file(key: RunKey) -> list[str]:
    """Return the user's classes, by module and name, that a run was trained with and no `--import` brings."""
    return [name for name in key.sources if Path(name).suffix != ".py"]


def python_call(function: str, data: str | None, classes: Iterable[str], **arguments: object) -> str:
    """Return a call to be recorded where no command can repeat it, for it lacks the user's classes of no file.

    What is None, False, empty or `auto` is left out.
    """
    given = (f"{name}={value!r}" for name, value in arguments.items() if value and value not in ("auto", (None,)))
    return f"rb.{function}({', '.join([repr(data), *given])})  # in Python, with {', '.join(classes)} as it was"
