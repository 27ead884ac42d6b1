"""Equal conditions for methods: what `--fair` means in `train`, `sweep` and `reproduce`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from recbench.errors import UsageError
from recbench.losses.base import LOSSES
from recbench.run.train_command import TrainRequest

BUDGET = ("train.lr=0.005,0.02,0.05,0.1",)  # searched on validation for every method, with one seed


def equal_terms(request: TrainRequest) -> TrainRequest:
    """Return the request with a learned scale and bias, where the loss reads logits, and no learning rate of its own.

    That is what a sweep over BUDGET starts from.
    """
    words = _without(request.settings, "train.lr")
    if LOSSES.get(request.loss).reads_logits:
        words = (*_without(words, "loss.scale"), "loss.logit=learned")
    return replace(request, settings=words)


def with_best_rate(request: TrainRequest, best: Iterable[str]) -> TrainRequest:
    """Return the request of `equal_terms` with the learning rate among the best settings that a sweep found."""
    rate = [word for word in best if word.startswith("train.lr=")]
    return replace(request, settings=(*request.settings, *rate))


def require_no_rate(words: Sequence[str]) -> None:
    """Raise UsageError for a learning rate that the user gives beside `--fair`."""
    if len(_without(words, "train.lr")) < len(words):
        raise UsageError("--fair searches the learning rate of every method on validation; leave out --lr and train.lr")


def _without(words: Sequence[str], setting: str) -> tuple[str, ...]:
    return tuple(word for word in words if not word.startswith(f"{setting}="))
