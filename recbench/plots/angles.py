"""Angles between the vectors of users and items of logged rows, by level of feedback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from recbench.data.dataset import Log
from recbench.errors import UsageError
from recbench.plots.figure import COLOURS, figure
from recbench.plots.measured import Part
from recbench.results.record import RunRecord
from recbench.results.store import Store
from recbench.run.export import scorer_of
from recbench.training.scorer import Scorer, linear_weights

BIN = 5  # degrees
BINS = 180 // BIN
ROWS = 65536  # in a block


@dataclass(frozen=True)
class Level:
    """Rows that reached one level of feedback and no higher one."""

    name: str  # "none", or the feedback
    rows: int
    share: list[float]  # of the rows by BIN degrees from 0 to 180, in per cent; all 0 without rows
    acute: float | None  # share of the rows below 90 degrees, in [0, 1]


@dataclass(frozen=True)
class Space:
    """One tower, or all towers side by side as an index holds them."""

    title: str
    levels: list[Level]


def spaces(record: RunRecord, store: Store, part: Part) -> list[Space]:
    """Return how the angles of the rows of `part` are distributed, in each tower and in the unified space.

    GNOLR (KDD 2025), Figures 4 and 8. The unified space is that of the sparsest feedback, where its score adds up
    several towers. Levels are those of `Batch.level`. Raises UsageError for a backbone that has no inner products, and
    for the test rows of a run that was never evaluated: the board counts the runs that have seen them.
    """
    if part == "test" and not store.evaluations(record.key):
        digest = record.key.digest
        raise UsageError(
            f"run {digest} has not seen the test rows; run `recbench eval --run {digest}` first, which the board counts"
        )
    data, scorer, log = scorer_of(record, store, part)
    rank = torch.arange(1, len(data.feedback) + 1)
    level = (log.label * rank).amax(1)
    names = ("none", *data.feedback)
    return [Space(title, _levels(angle, level, names)) for title, angle in _angles(scorer, log, data.feedback[-1])]


def degrees(user: Tensor, item: Tensor) -> Tensor:
    """Return the angles [R] in degrees between user and item [R, D]; 90 where one of them is 0."""
    cosine = (normalize(user.double(), dim=1) * normalize(item.double(), dim=1)).sum(1)
    return cosine.clamp(-1, 1).arccos().rad2deg()


def _angles(scorer: Scorer, log: Log, sparsest: str) -> Iterator[tuple[str, Tensor]]:
    user, item = log.user.long().split(ROWS), log.item.long().split(ROWS)

    def over(users: Tensor, items: Tensor) -> Tensor:
        return torch.cat([degrees(users[u], items[i]) for u, i in zip(user, item, strict=True)])

    towers = scorer.user.shape[1]
    for k in range(towers):
        yield f"tower {k + 1}" if towers > 1 else "angle of the score", over(scorer.user[:, k], scorer.item[:, k])
    weight = linear_weights(scorer.loss)
    if weight is not None and (used := weight[-1] != 0).sum() > 1:
        query = scorer.user * weight[-1, :, None]
        yield f"unified ({sparsest})", over(query[:, used].flatten(1), scorer.item[:, used].flatten(1))


def _levels(angle: Tensor, level: Tensor, names: Sequence[str]) -> list[Level]:
    levels = []
    for number, name in enumerate(names):
        own = angle[level == number]
        count = torch.bincount((own / BIN).long().clamp(max=BINS - 1), minlength=BINS)
        share = 100 * count.double() / max(1, len(own))
        levels.append(Level(name, len(own), share.tolist(), float((own < 90).double().mean()) if len(own) else None))
    return levels


def table(drawn: Sequence[Space]) -> list[dict[str, Any]]:
    """Return a row per bar of each histogram."""
    return [
        {
            "space": space.title,
            "level": level.name,
            "rows": level.rows,
            "share_below_90_degrees": level.acute,
            "from_degrees": BIN * place,
            "to_degrees": BIN * (place + 1),
            "percent_of_rows": share,
        }
        for space in drawn
        for level in space.levels
        for place, share in enumerate(level.share)
    ]


def draw(drawn: Sequence[Space], path: Path, title: str) -> None:
    """Write a histogram for each level (from top to bottom) in each space (from left to right)."""
    edges = [BIN * n for n in range(BINS + 1)]
    names = [(level.name, level.rows) for level in drawn[0].levels]
    with figure(path, title, len(drawn) * len(names), len(drawn), width=2.5, height=0.95, share=True) as (
        made,
        axes,
    ):
        across = len(drawn)
        for place, ax in enumerate(axes):
            level = drawn[place % across].levels[place // across]
            ax.stairs(level.share, edges, fill=True, color=COLOURS[0])
            ax.axvline(90, color="0.3", linewidth=0.8, linestyle=":")
            if level.acute is not None:
                ax.text(1, 0.97, f"{100 * level.acute:.0f} % < 90°", transform=ax.transAxes, ha="right", va="top")
            ax.margins(y=0.35)
            ax.set(xlim=(0, 180), xticks=range(0, 181, 45))
        for space, ax in zip(drawn, axes, strict=False):
            ax.set_title(space.title)
        for (name, rows), ax in zip(names, axes[::across], strict=True):
            ax.set_ylabel(f"{name}\n{rows:,} rows")
        made.supxlabel("angle between the user's and the item's vector (°)", fontsize="medium")
        made.supylabel(f"rows of the level (% per {BIN}°)", fontsize="medium")
