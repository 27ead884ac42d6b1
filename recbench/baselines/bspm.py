"""Blurring and sharpening."""

from __future__ import annotations

from typing import Any, Literal

from recbench.baselines.base import BASELINES, Baseline, FittedBaseline, Size
from recbench.baselines.building_blocks.graph_filter import GraphFilter, NormalisedGraph, Signal, dense, graph_memory
from recbench.data.dataset import Positives
from recbench.settings import at_least

Solver = Literal["euler", "rk4"]


@BASELINES.add("bspm")
class BSPM(Baseline):
    """What the user has had, blurred over the graph of users and items as in gf-cf, then sharpened again.

    With P = R~'R~ the blurred signal is rP + `ideal` times the part of r in the `factors` first singular vectors; it is
    sharpened along dr/dt = -rP for the time `sharpening`, in one step of the `solver`. Choi et al., SIGIR 2023,
    https://arxiv.org/abs/2211.09324, with early merge. A user without positives scores 0 everywhere.
    """

    needs = ("scipy",)
    saving = "lower bspm.factors with --set"
    search = {"sharpening": (0.0, 0.5, 1.0, 1.5, 2.0, 2.5), "ideal": (0.0, 0.1, 0.2, 0.3, 0.5)}

    def __init__(
        self, *, factors: int = 448, ideal: float = 0.2, sharpening: float = 2.5, solver: Solver = "rk4"
    ) -> None:
        at_least("bspm.factors", factors, 1)
        at_least("bspm.ideal", ideal, 0)
        at_least("bspm.sharpening", sharpening, 0)
        self.factors, self.ideal, self.sharpening, self.solver = factors, ideal, sharpening, solver

    def fit(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        """Find the singular vectors."""
        graph = NormalisedGraph(train, items)
        first = graph.principal(self.factors)
        into, out = first.T * graph.inverse_root.T, self.ideal * graph.root * first
        order = 4 if self.solver == "rk4" else 1

        def apply(signal: Any) -> Signal:
            term = dense(graph.by_item @ (graph.by_user @ signal))
            term += out @ (signal.T @ into.T).T
            score = term.copy()
            for power in range(1, order + 1 if self.sharpening else 1):
                term = graph.smooth(term)  # of a linear equation, rk4 is the Taylor series to its fourth term
                term *= -self.sharpening / power
                score += term
            return score

        return GraphFilter(items, graph.by_user.nnz + first.size, apply)

    def memory(self, size: Size) -> int:
        """Return about how many bytes it takes."""
        return graph_memory(size, self.factors)
