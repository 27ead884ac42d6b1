"""`recbench card`: what one method does for every kind of feedback, over its seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recbench.run.evaluate import EvaluatedRun
from recbench.run.plan import non_default

OF_ROWS = ("auc", "gauc", "cindex")


@dataclass(frozen=True)
class Number:
    """One metric over seeds."""

    metric: str  # without feedback: "recall@50"
    feedback: str  # what is relevant; of cindex: whose scores rank
    by: str  # the feedback whose scores rank
    mean: float | None  # None where undefined for a seed
    sd: float | None  # None for one seed
    counted: int  # rows or users, the min_tasks over seeds
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
    return [*(name for name in OF_ROWS if name != "cindex" or len(trained) > 1), f"recall@{k}", *crossed]


def cards(outcomes: Sequence[EvaluatedRun]) -> list[Card]:
    """Return one card per method, in the order of its first run."""
    groups: dict[str, list[EvaluatedRun]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.record.key.group, []).append(outcome)
    return [_card(held) for held in groups.values()]


def _card(held: Sequence[EvaluatedRun]) -> Card:
    key = held[0].record.key
    settings = tuple(f"{name}={value}" for name, value in non_default(key).items())
    found: dict[tuple[str, str, str], list[tuple[float, int, str]]] = {}
    for outcome in held:
        for value in outcome.values:
            metric, _, by = value.metric.partition(":")
            place = metric, value.feedback, by or value.feedback
            found.setdefault(place, []).append((value.value, value.count, value.signature))
    return Card(
        dataset=key.data,
        loss=key.loss,
        backbone=key.backbone,
        settings=settings,
        feedback=tuple(key.feedback),
        runs=tuple(outcome.record.key.digest for outcome in held),
        numbers=tuple(_number(*place, of_seeds) for place, of_seeds in found.items()),
    )


def _number(metric: str, feedback: str, by: str, of_seeds: Sequence[tuple[float, int, str]]) -> Number:
    values = [value for value, _, _ in of_seeds]
    known = not any(map(math.isnan, values))
    return Number(
        metric=metric,
        feedback=feedback,
        by=by,
        mean=fmean(values) if known else None,
        sd=stdev(values) if known and values[1:] else None,
        counted=min(count for _, count, _ in of_seeds),
        signature=of_seeds[0][2],
    )


def rendered(found: Sequence[Card], k: int) -> RenderableType:
    """Return the cards for a rich console, and each signature once."""
    parts: list[RenderableType] = []
    for card in found:
        seeds = f"{len(card.runs)} seed{'s' if len(card.runs) > 1 else ''}"
        parts.append(Text(f"{card.loss} × {card.backbone} on {card.dataset}, {seeds}", style="bold"))
        parts += [Text(f"  {', '.join(card.settings)}", style="dim")] if card.settings else []
        parts += [Text(), _own(card, k), Text()]
        parts += [_crossed(card, k), Text()] if card.feedback[1:] else []
    signatures = dict.fromkeys(
        number.signature for card in found for number in card.numbers if number.by == number.feedback
    )
    return Group(*parts, *(Text(signature, style="dim") for signature in signatures))


def _own(card: Card, k: int) -> Table:
    names = [name for name in (*OF_ROWS, f"recall@{k}") if card.number(name, card.feedback[0])]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("feedback")
    for name in names:
        table.add_column(name, justify="right")
    for feedback in card.feedback:
        table.add_row(Text(feedback), *(_figure(card.number(name, feedback)) for name in names))
    return table


def _crossed(card: Card, k: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column(f"recall@{k}\nof")
    for by in card.feedback:
        table.add_column(f"index of\n{by}", justify="right")
    for relevant in card.feedback:
        table.add_row(Text(relevant), *(_figure(card.number(f"recall@{k}", relevant, by)) for by in card.feedback))
    return table


def _figure(number: Number | None) -> str:
    if number is None or number.mean is None:
        return "–"
    return f"{number.mean:.4f}" if number.sd is None else f"{number.mean:.4f} ± {number.sd:.4f}"
