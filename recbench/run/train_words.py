"""The `train` command of a method, as it is typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from recbench.results.record import RunKey
from recbench.settings import typed_words
from recbench.training.plan import non_default


def command_words(
    loss: str,
    backbone: str,
    dataset: str | None,
    feedback: Sequence[str],
    settings: Iterable[str],
    imports: Iterable[Path] = (),
) -> list[str]:
    """Return the words of the `train` command of a method, to which `--seeds` and the like can be added."""
    words = ["recbench", "train", "--loss", loss, "--backbone", backbone]
    words += ["--dataset", dataset] if dataset else []
    words += ["--feedback", ",".join(feedback)] if feedback else []
    words += [word for path in imports for word in ("--import", str(path))]
    return words + [word for setting in settings for word in ("--set", setting)]


def train_again(keys: Sequence[RunKey], imports: Iterable[str] = ()) -> str:
    """Return the command that trains runs that differ in their seed alone, each with all settings that it has.

    `imports` are the user's files that they were trained with.
    """
    key, seeds = keys[0], sorted(key.seed for key in keys)
    settings = typed_words(non_default(key))
    words = command_words(key.loss, key.backbone, key.data, key.feedback, settings, map(Path, imports))
    words += ["--seed", str(seeds[0])] if seeds[0] else []
    return shlex.join([*words, "--seeds", str(seeds[-1] - seeds[0] + 1)] if len(seeds) > 1 else words)
