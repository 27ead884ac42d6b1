"""`recbench card`: what one method does for every kind of feedback, over its seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from rich.console import Group, RenderableType
from rich.text import Text

from recbench.errors import counted
from recbench.results.number_table import NumberTable
from recbench.results.number_words import mean_with_sd
from recbench.results.record import method_name
from recbench.run.evaluate import EvaluatedRun
from recbench.training.plan import non_default

ROW_METRICS = ("auc", "gauc", "cindex")


@dataclass(frozen=True)
class Number:
    """One metric over seeds."""

    metric: str  # without feedback: "recall@50"
    feedback: str  # what is relevant; of cindex: whose scores rank
    by: str  # the feedback whose scores rank
    mean: float | None  # None where undefined for a seed
    sd: float | None  # None for one seed
    counted: int  # rows or users, the fewest over seeds
    signature: str


@dataclass(frozen=True)
class Card:
    """The numbers of runs that differ in their seeds alone."""

    dataset: str
    loss: str
    backbone: str
    settings: tuple[str, ...]  # those that are not the defaults
    feedback: tuple[str, ...]  # trained on, from dense to sparse
    runs: tuple[str, ...]
    numbers: tuple[Number, ...]

    def number(self, metric: str, feedback: str, by: str | None = None) -> Number | None:
        """Return one number, ranked by the feedback's own scores unless `by` names others."""
        for number in self.numbers:
            if (number.metric, number.feedback, number.by) == (metric, feedback, by or feedback):
                return number
        return None


def metrics(trained: Sequence[str], k: int) -> list[str]:
    """Return the names of a card's metrics for a run that was trained on these kinds of feedback."""
    crossed = [f"recall@{k}/{relevant}:{by}" for relevant in trained for by in trained if relevant != by]
    return [*(name for name in ROW_METRICS if name != "cindex" or len(trained) > 1), f"recall@{k}", *crossed]


def cards(evaluated: Sequence[EvaluatedRun]) -> list[Card]:
    """Return one card per method, in the order of its first run."""
    groups: dict[str, list[EvaluatedRun]] = {}
    for run in evaluated:
        groups.setdefault(run.record.key.group, []).append(run)
    return [_card(evaluated) for evaluated in groups.values()]


def _card(evaluated: Sequence[EvaluatedRun]) -> Card:
    key = evaluated[0].record.key
    settings = tuple(f"{name}={value}" for name, value in non_default(key).items())
    by_seed: dict[tuple[str, str, str], list[tuple[float, int, str]]] = {}
    for run in evaluated:
        for value in run.values:
            metric, _, by = value.metric.partition(":")
            place = metric, value.feedback, by or value.feedback
            by_seed.setdefault(place, []).append((value.value, value.count, value.signature))
    return Card(
        dataset=key.data,
        loss=key.loss,
        backbone=key.backbone,
        settings=settings,
        feedback=tuple(key.feedback),
        runs=tuple(run.record.key.digest for run in evaluated),
        numbers=tuple(_number(*place, values) for place, values in by_seed.items()),
    )


def _number(metric: str, feedback: str, by: str, by_seed: Sequence[tuple[float, int, str]]) -> Number:
    values = [value for value, _, _ in by_seed]
    is_defined = not any(map(math.isnan, values))
    return Number(
        metric=metric,
        feedback=feedback,
        by=by,
        mean=fmean(values) if is_defined else None,
        sd=stdev(values) if is_defined and values[1:] else None,
        counted=min(count for _, count, _ in by_seed),
        signature=by_seed[0][2],
    )


def rendered(cards: Sequence[Card], k: int) -> RenderableType:
    """Return the cards for a rich console, and each signature once."""
    parts: list[RenderableType] = []
    for card in cards:
        seeds = counted(len(card.runs), "seed")
        parts.append(Text(f"{method_name(card.loss, card.backbone)} on {card.dataset}, {seeds}", style="bold"))
        parts += [Text(f"  {', '.join(card.settings)}", style="dim")] if card.settings else []
        parts += [Text(), _own_feedback_table(card, k), Text()]
        parts += [_crossed_table(card, k), Text()] if card.feedback[1:] else []
    signatures = dict.fromkeys(
        number.signature for card in cards for number in card.numbers if number.by == number.feedback
    )
    return Group(*parts, *(Text(signature, style="dim") for signature in signatures))


def _own_feedback_table(card: Card, k: int) -> NumberTable:
    names = [name for name in (*ROW_METRICS, f"recall@{k}") if card.number(name, card.feedback[0])]
    table = NumberTable(padding=(0, 1, 0, 0))
    table.add_column("feedback")
    for name in names:
        table.add_column(name, justify="right")
    for feedback in card.feedback:
        table.add_row(Text(feedback), *(_figure(card.number(name, feedback)) for name in names))
    return table


def _crossed_table(card: Card, k: int) -> NumberTable:
    table = NumberTable(padding=(0, 1, 0, 0))
    table.add_column(f"recall@{k}\nof")
    for by in card.feedback:
        table.add_column(f"index of\n{by}", justify="right")
    for relevant in card.feedback:
        table.add_row(Text(relevant), *(_figure(card.number(f"recall@{k}", relevant, by)) for by in card.feedback))
    return table


def _figure(number: Number | None) -> str:
    return "–" if number is None or number.mean is None else mean_with_sd(number.mean, number.sd)
