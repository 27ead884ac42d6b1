"""Which losses compete in a bakeoff, for which of its two questions, and on which feedback."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from recbench.backbones.base import BACKBONES
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, create, defaults, nominal_info, why_not
from recbench.samplers.lists import Lists
from recbench.samplers.rows import Rows

Question = Literal["ranking", "retrieval"]

# Of logged rows and lists, chosen by the order of the rows of validation.
RANKING = ("bce", "gnolr", "jrc", "ranknet", "neural-olr", "nsb", "esmm")
# Of sampled negatives, and one of logged rows that means to retrieve, chosen by what is found in the catalogue.
RETRIEVAL = ("bpr", "pris", "softmax", "triplet", "gnolr")
WITHOUT_NEGATIVES = ("bpr", "pris", "softmax", "triplet", "croloss", "wbpr", "aobpr", "buir")
CONSTANT = 0.999  # share of rows from which on a feedback is on every row


@dataclass(frozen=True)
class Contestant:
    """A loss that competes in one question."""

    question: Question
    loss: str
    feedback: tuple[str, ...]  # that it is trained on


def told_apart(data: Dataset) -> tuple[str, ...]:
    """Return the feedback that some train rows give and others do not; a log of events alone has too little of it."""
    rates = data.train.label.double().mean(0).tolist()
    return tuple(name for name, rate in zip(data.feedback, rates, strict=True) if 0 < rate < CONSTANT)


def on_logged_rows(name: str) -> bool:
    """Return whether a loss trains on rows of the log, rather than on negatives that are drawn."""
    loss = LOSSES.get(name)
    return isinstance(create(loss, nominal_info(loss), defaults(loss)).sampler, Rows | Lists)


def contestants(data: Dataset, backbone: str, losses: Sequence[str] = (), own: Sequence[str] = ()) -> list[Contestant]:
    """Return about a dozen losses that can be trained on the data, or those of `losses`, each with its question.

    The user's `own` losses compete beside them, in both questions.
    Raises UsageError for a loss of the user's choice that cannot be trained, and if none fits.
    """
    mixed = told_apart(data)
    asked: list[tuple[Question, Sequence[str]]] = [("retrieval", losses or (RETRIEVAL if mixed else WITHOUT_NEGATIVES))]
    if mixed:
        asked.insert(0, ("ranking", losses or RANKING))
    chosen: list[Contestant] = []
    refused: list[tuple[str, str]] = []
    for question, names in asked:
        for name in dict.fromkeys((*names, *own)):
            loss = LOSSES.get(name)
            every = mixed if mixed and (question == "ranking" or on_logged_rows(name)) else data.feedback
            feedback = every if loss.multitask else every[:1]
            reason = why_not(loss, BACKBONES.get(backbone), feedback=feedback)
            if reason is None:
                chosen.append(Contestant(question, name, feedback))
            else:
                refused.append((name, reason))
    wanted = [reason for name, reason in refused if not chosen or name in (*losses, *own)]
    if wanted:
        raise UsageError(wanted[0])
    return chosen


def listed(chosen: Collection[Contestant]) -> str:
    """Return the losses in words, as in "for retrieval bpr, gnolr; for ranking bce, gnolr"."""
    questions = sorted({one.question for one in chosen}, reverse=True)  # retrieval first
    losses = {word: ", ".join(one.loss for one in chosen if one.question == word) for word in questions}
    return "; ".join(f"for {word} {names}" for word, names in losses.items())
