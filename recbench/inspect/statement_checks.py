"""The checks of what a loss says of itself: its source, its settings, and what it wants to be tuned by."""

from __future__ import annotations

import inspect
import re

from recbench.inspect.loss_trial import Trial, UnmetError
from recbench.study import search_space
from recbench.study.fair import space


def documented(trial: Trial) -> None:
    """The docstring names its source with a year, and every setting has a type and a default."""
    if not re.search(r"(19|20)\d\d", trial.loss.__doc__ or ""):
        raise UnmetError("say in the docstring which paper it is from: authors, year, equation")
    for parameter in inspect.signature(trial.loss.__init__).parameters.values():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        if parameter.annotation is parameter.empty or parameter.default is parameter.empty:
            raise UnmetError(f"setting `{parameter.name}` needs a type and a default")


def searched(trial: Trial) -> None:
    """What `--fair --trials` tries of it are settings that it has, at both ends of every range."""
    name, backbone = trial.name, trial.backbone
    dimensions = search_space.parse(space([name], backbone), [name], backbone)
    learned = {"logit": "learned"} if trial.loss.reads_logits else {}
    for row in search_space.corners(dimensions):
        point = search_space.point(dimensions, row, name)
        words = {key.removeprefix("loss."): word for key, word in point.items() if key.startswith("loss.")}
        trial.model(words=words | learned)
