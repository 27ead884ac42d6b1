"""How often one method is better than another over datasets and kinds of feedback, as a picture of counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbench.errors import UsageError
from recbench.plots.figure import figure
from recbench.results.leaderboard_rows import collect_rows
from recbench.results.marks import UserScores
from recbench.results.matrix.methods_by_datasets import matrices
from recbench.results.matrix.pairwise_wins import NOBODY, TITLE, PairwiseWins, pairwise_wins, wins_notes, wins_words
from recbench.results.store import Store

CELL = 0.62  # of a count, in inches
NAMES = 2.2  # of the names of methods, in inches
MOST = 20  # methods of a picture
COLOURS = "PuOr"  # from worse to better, told apart by the colour-blind


def counted_wins(store: Store, metric: str) -> PairwiseWins:
    """Return the wins in one metric; raises UsageError where no two methods stand on two datasets."""
    found = matrices(collect_rows(store, None, [metric]), UserScores(store), metrics_asked=True)
    wins = pairwise_wins(found[0]) if found else None
    if wins is None:
        raise UsageError(f"{metric}: {NOBODY}; `recbench leaderboard --matrix` shows what there is")
    return wins


def table(drawn: PairwiseWins) -> list[dict[str, Any]]:
    """Return a row per ordered pair of methods."""
    return [
        {
            "metric": drawn.metric,
            "method": one,
            "against": other,
            "comparisons": wins.of,
            "better_in": wins.better,
            "tested_in": wins.tested,
            "better_beyond_chance_in": wins.sure,
        }
        for (one, other), wins in drawn.against.items()
    ]


def draw(drawn: PairwiseWins, path: Path) -> None:
    """Write a square per pair of methods, coloured by the share of comparisons in which that of the row is better."""
    names = drawn.methods[:MOST]
    against = drawn.against
    shares = [[_share(drawn, one, other) for other in names] for one in names]
    width = NAMES + CELL * len(names)
    with figure(path, f"{drawn.metric}: {TITLE}", width=width, height=NAMES / 2 + CELL / 2 * len(names)) as (
        made,
        (ax,),
    ):
        ax.imshow(shares, cmap=COLOURS, vmin=-0.7, vmax=1.7, aspect="auto")  # pale, so that counts can be read
        for row, one in enumerate(names):
            for place, other in enumerate(names):
                ax.text(place, row, wins_words(against.get((one, other))), ha="center", va="center", fontsize="x-small")
        ax.set_xticks(range(len(names)), [str(number) for number in range(1, len(names) + 1)])
        ax.set_yticks(range(len(names)), [f"{name}  {number}" for number, name in enumerate(names, 1)])
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        left = [f"the first {MOST} of {len(drawn.methods)} methods"] if len(names) < len(drawn.methods) else []
        made.supxlabel("\n".join([*wins_notes(drawn), *left]), fontsize="small")


def _share(wins: PairwiseWins, one: str, other: str) -> float:
    found = wins.against.get((one, other))
    return found.better / found.of if found else float("nan")
