"""Mean ranks of methods over datasets, and which a test does not tell apart; after Demšar, JMLR 2006, Figure 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

from recbench.errors import UsageError
from recbench.evaluation.mean_ranks import cliques
from recbench.evaluation.statistics import LEVEL
from recbench.plots.figure import COLOURS, figure
from recbench.results.leaderboard_rows import collect_rows
from recbench.results.matrix.methods_by_datasets import matrices
from recbench.results.matrix.rank_block import RankBlock, rank_block
from recbench.results.store import Store

ROW = 0.22  # of a label, in inches
LINE = 0.32  # of a bar, as a part of a label
LETTERS = 110  # of a line below the picture


@dataclass(frozen=True)
class MeanRank:
    """One method."""

    method: str
    mean_rank: float
    alike: str  # methods that are not told from it, joined by commas; "" where nothing was tested


@dataclass(frozen=True)
class MeanRanks:
    """All methods that were measured on the same datasets, best first."""

    metric: str
    datasets: str  # joined by commas
    words: str  # what is known of the mean ranks
    p: float | None
    critical: float | None
    methods: list[MeanRank]


def mean_ranks(store: Store, metric: str) -> MeanRanks:
    """Return the mean ranks in one metric; raises UsageError where no two methods stand on two datasets."""
    rows = collect_rows(store, None, [metric])
    found = matrices(rows, None, metrics_asked=True)
    block = rank_block(found[0]) if found else None
    if block is None:
        raise UsageError(
            f"no two methods have {metric} on two datasets; `recbench leaderboard --matrix` shows what there is"
        )
    alike = _alike(block)
    return MeanRanks(
        metric=metric,
        datasets=", ".join(block.datasets),
        words=block.words,
        p=block.test.p if block.test else None,
        critical=block.test.critical if block.test else None,
        methods=[MeanRank(name, rank, ", ".join(alike[name])) for name, rank in block.mean_ranks.items()],
    )


def _alike(block: RankBlock) -> dict[str, list[str]]:
    names = list(block.mean_ranks)
    if block.test is None:
        return {name: [] for name in names}
    near = block.test.critical if block.test.real else math.inf
    ranks = block.mean_ranks
    return {a: [b for b in names if b != a and abs(ranks[a] - ranks[b]) < near] for a in names}


def table(drawn: MeanRanks) -> list[dict[str, Any]]:
    """Return a row per method."""
    return [
        {
            "metric": drawn.metric,
            "datasets": drawn.datasets,
            "p": drawn.p,
            "critical_difference": drawn.critical,
            "method": method.method,
            "mean_rank": method.mean_rank,
            "not_told_apart_from": method.alike,
        }
        for method in drawn.methods
    ]


def draw(drawn: MeanRanks, path: Path) -> None:
    """Write the axis of mean ranks, best at the left, and bars over methods that are not told apart."""
    ranks = [method.mean_rank for method in drawn.methods]
    half = math.ceil(len(ranks) / 2)
    critical = (
        None if drawn.critical is None else drawn.critical if drawn.p is not None and drawn.p < 1 - LEVEL else math.inf
    )
    bars = cliques(ranks, critical) if critical is not None else []
    height = ROW * (half + 2 + LINE * len(bars))
    low, high = math.floor(min(ranks)), max(math.ceil(max(ranks)), math.floor(min(ranks)) + 1)
    with figure(path, f"{drawn.metric}: mean ranks over datasets", width=8.0, height=height) as (made, (ax,)):
        ax.set(xlim=(low, high), ylim=(half + 1 + LINE * len(bars), 0), yticks=[])
        ax.xaxis.tick_top()
        ax.grid(visible=False)
        ax.spines[["left", "bottom"]].set_visible(False)
        ax.spines["top"].set_visible(True)
        for number, (first, last) in enumerate(bars):
            ends = [ranks[first] - 0.01 * (high - low), ranks[last] + 0.01 * (high - low)]
            ax.plot(ends, [LINE * (number + 1)] * 2, color=COLOURS[1], linewidth=3, solid_capstyle="round")
        for place, method in enumerate(drawn.methods):
            left = place < half
            row = 1 + LINE * len(bars) + (place if left else len(ranks) - 1 - place)
            edge = 0.0 if left else 1.0
            x = low + edge * (high - low)
            ax.plot([method.mean_rank, method.mean_rank, x], [0, row, row], color="0.4", linewidth=0.8)
            ax.annotate(
                f"{method.method}  {method.mean_rank:.2f}" if left else f"{method.mean_rank:.2f}  {method.method}",
                (x, row),
                xytext=(-4 if left else 4, 0),
                textcoords="offset points",
                ha="right" if left else "left",
                va="center",
            )
        words = f"{drawn.datasets}; {drawn.words}"
        made.supxlabel("\n".join(line for part in words.split("; ") for line in wrap(part, LETTERS)), fontsize="small")
